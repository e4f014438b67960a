//! Figures as a table, as JSON and as a plot.

use serde_json::{Value, json};

use crate::shop::Cost;

/// One thing measured, several times.
#[derive(Debug, Clone)]
pub struct Figure {
    pub name: String,
    pub unit: &'static str,
    /// The bare part, or what else it is compared with.
    pub bare: Vec<f64>,
    pub declic: Vec<f64>,
    /// By 1,000 events.
    pub costs: Vec<Cost>,
    /// The least share of `bare` that is good enough.
    pub share: Option<f64>,
    /// The most that is good enough.
    pub most: Option<f64>,
}

impl Figure {
    pub fn new(name: &str, unit: &'static str) -> Self {
        let (bare, declic, costs) = (Vec::new(), Vec::new(), Vec::new());
        Self { name: name.to_owned(), unit, bare, declic, costs, share: None, most: None }
    }

    pub fn at_least_of_bare(self, share: f64) -> Self {
        Self { share: Some(share), ..self }
    }

    pub fn at_most(self, most: f64) -> Self {
        Self { most: Some(most), ..self }
    }

    /// Of the medians.
    pub fn ratio(&self) -> Option<f64> {
        (!self.bare.is_empty()).then(|| median(&self.declic) / median(&self.bare))
    }

    fn target(&self) -> String {
        match (self.share, self.most) {
            (Some(share), _) => format!("≥ {:.0} %", share * 100.0),
            (None, Some(most)) => format!("≤ {most} {}", self.unit),
            (None, None) => String::new(),
        }
    }

    /// Whether the target is met; none where there is none.
    pub fn is_met(&self) -> Option<bool> {
        let by_share = self.share.zip(self.ratio()).map(|(least, ratio)| ratio >= least);
        by_share.or(self.most.map(|most| median(&self.declic) <= most))
    }

    fn cost(&self, part: impl Fn(&Cost) -> f64) -> Option<f64> {
        (!self.costs.is_empty()).then(|| median(&self.costs.iter().map(part).collect::<Vec<_>>()))
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "unit": self.unit, "bare": self.bare, "declic": self.declic,
            "median": median(&self.declic), "ratio": self.ratio(), "target": self.target(), "met": self.is_met(),
            "per_1000_events": {
                "cpu_seconds": {
                    "worker": self.cost(|c| c.worker), "database": self.cost(|c| c.database),
                    "broker": self.cost(|c| c.broker),
                },
                "statements": self.cost(|c| c.statements), "commits": self.cost(|c| c.commits),
            },
            "peak_memory_mb": self.cost(|c| c.peak_memory),
        })
    }

    fn row(&self) -> String {
        let number =
            |value: Option<f64>, digits: usize| value.map_or(String::new(), |v| format!("{v:.digits$}"));
        let digits = usize::from(median(&self.declic) < 100.0);
        let bare = (!self.bare.is_empty()).then(|| median(&self.bare));
        let cpu = [self.cost(|c| c.worker), self.cost(|c| c.database), self.cost(|c| c.broker)];
        let [worker, database, broker] = cpu.map(|seconds| number(seconds.map(|s| s * 1000.0), 0));
        let met = match self.is_met() {
            Some(true) => " ✓",
            Some(false) => " ✗",
            None => "",
        };
        let ratio = self.ratio().map_or(String::new(), |r| format!("{:.0} %", r * 100.0));
        format!(
            "| {} | {} | {} {} | {ratio} | {}{met} | {worker} / {database} / {broker} | {} | {} | {} |",
            self.name,
            number(bare, digits),
            number(Some(median(&self.declic)), digits),
            self.unit,
            self.target(),
            number(self.cost(|c| c.statements), 0),
            number(self.cost(|c| c.commits), 1),
            number(self.cost(|c| c.peak_memory), 0),
        )
    }
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// In Markdown.
pub fn table(figures: &[Figure]) -> String {
    let head = "| figure | compared with | Declic | ratio | target | CPU ms per 1,000: worker / database / broker \
        | statements per 1,000 | commits per 1,000 | peak MB |\n| --- | ---: | ---: | ---: | --- | --- | ---: | ---: | ---: |\n";
    let rows: Vec<String> = figures.iter().map(Figure::row).collect();
    format!("{head}{}\n", rows.join("\n"))
}

pub fn json(figures: &[Figure], machine: &str) -> String {
    let figures: Vec<Value> = figures.iter().map(Figure::json).collect();
    format!("{:#}\n", json!({"machine": machine, "figures": figures}))
}

/// Pixels.
const WIDTH: f64 = 760.0;
const LEFT: f64 = 280.0;
const BAR: f64 = 24.0;

/// A bar for each ratio, with a line where the target is.
pub fn plot(figures: &[Figure]) -> String {
    let compared: Vec<(&Figure, f64)> = figures.iter().filter_map(|f| Some((f, f.ratio()?))).collect();
    let height = BAR * (compared.len() as f64 + 2.0);
    let longest = compared.iter().map(|(_, ratio)| *ratio).fold(1.0, f64::max);
    let x = |share: f64| LEFT + share / longest * (WIDTH - LEFT - 60.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"17\">Declic's rate as a share of what it is compared with</text>\n"
    );
    for (n, (figure, ratio)) in compared.iter().enumerate() {
        let y = BAR * (n as f64 + 1.0);
        let (text, bar) = (y + 17.0, x(*ratio) - LEFT);
        svg += &format!(
            "<text x=\"8\" y=\"{text}\">{}</text><rect x=\"{LEFT}\" y=\"{}\" width=\"{bar:.1}\" height=\"16\" \
             fill=\"#2f6f9f\"/><text x=\"{:.1}\" y=\"{text}\">{:.0} %</text>\n",
            figure.name,
            y + 4.0,
            LEFT + bar + 6.0,
            ratio * 100.0
        );
        if let Some(share) = figure.share {
            let at = x(share);
            svg += &format!("<path d=\"M{at:.1} {} v20\" stroke=\"#c33\" stroke-width=\"2\"/>\n", y + 2.0);
        }
    }
    svg + "</svg>\n"
}

//! Whether rules and templates fit each other: what one file alone cannot tell.

use std::collections::BTreeMap;

use super::diagnostic::{Diagnostic, SourceFile, did_you_mean};
use super::rules::{Basis, Op, Rule, RuleSet, Send, Trigger};
use super::steps::basis;
use super::templates::{Template, Templates};

/// The fields of each event type's data, where `rules/events.yaml` lists them.
pub type Catalogue = BTreeMap<String, Option<Vec<String>>>;

/// Everything that is wrong between these rules and these templates.
pub fn check(
    rules: &RuleSet,
    templates: &Templates,
    catalogue: Option<&Catalogue>,
    files: &[SourceFile],
) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for rule in rules.rules.values() {
        for op in &rule.program {
            let Op::Send(Send { email: Some(email), .. }) = op else { continue };
            let place = Place::of(rule, email, files);
            if !templates.contains(email) {
                findings.push(missing(&place, email, templates));
                continue;
            }
            let contract = basis(&rules.policy, &rule.purpose) == Basis::Contract;
            for template in templates.locales(email).filter_map(|l| templates.resolve(email, l)) {
                findings.extend(unprovided(&place, rule, &template, catalogue));
                findings.extend(promo_code(&place, rule, &template));
                if !contract && !template.variables().iter().any(|v| v == "unsubscribe_url") {
                    findings.push(no_way_out(&place, rule, &template));
                }
            }
        }
    }
    findings
}

/// Where a rule names its template.
struct Place {
    path: String,
    span: std::ops::Range<usize>,
}

impl Place {
    fn of(rule: &Rule, template: &str, files: &[SourceFile]) -> Self {
        let path = format!("rules/{}.yaml", rule.name);
        let source = files.iter().find(|f| f.path == path).map_or("", |f| f.text.as_str());
        let start = source
            .match_indices("email:")
            .filter_map(|(at, key)| {
                let value = source[at + key.len()..].trim_start_matches([' ', '"', '\'']);
                let rest = value.strip_prefix(template)?;
                // `abandoned-cart` is not where `abandoned-cart-offer` stands.
                let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_');
                ends.then_some(source.len() - value.len())
            })
            .next()
            .unwrap_or(0);
        Self { path, span: start..(start + template.len()).min(source.len()) }
    }

    fn error(&self, code: &'static str, message: String) -> Diagnostic {
        Diagnostic::error(code, &self.path, self.span.clone(), message)
    }
}

fn missing(place: &Place, template: &str, templates: &Templates) -> Diagnostic {
    let finding = place.error("E0601", format!("there is no template `{template}`"));
    match did_you_mean(template, templates.names()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help(format!("write templates/{template}/email.LOCALE.mjml")),
    }
}

/// Variables of the event's data that the rule's trigger cannot provide.
fn unprovided(
    place: &Place,
    rule: &Rule,
    template: &Template,
    catalogue: Option<&Catalogue>,
) -> Vec<Diagnostic> {
    let fields: Vec<&str> = match &rule.trigger {
        Trigger::Event { kind, .. } | Trigger::Absent { kind, .. } => {
            match catalogue.and_then(|c| c.get(kind)) {
                Some(Some(fields)) => fields.iter().map(String::as_str).collect(),
                _ => return Vec::new(),
            }
        }
        // No event starts these, so there is no data at all.
        Trigger::Anniversary { .. } | Trigger::Schedule { .. } => Vec::new(),
    };
    let variables = template.variables();
    let read = variables.iter().filter_map(|v| v.strip_prefix("event.").unwrap_or(v).strip_prefix("data."));
    read.map(|path| path.split('.').next().unwrap_or(path))
        .filter(|field| !fields.contains(field))
        .map(|field| {
            let named = format!("template `{}` ({}) reads `data.{field}`", template.name, template.locale);
            let finding =
                place.error("E0602", format!("{named}, which the trigger of this rule does not provide"));
            match did_you_mean(field, fields.iter().copied()) {
                Some(near) => finding.help(format!("did you mean `data.{near}`?")),
                None => finding.help("list it in rules/events.yaml if the shop sends it"),
            }
        })
        .collect()
}

/// A template that shows a promo code in a rule that makes none. One that only asks whether there is a code may do so.
fn promo_code(place: &Place, rule: &Rule, template: &Template) -> Option<Diagnostic> {
    let makes = rule.program.iter().any(|op| matches!(op, Op::PromoCode(_)));
    let reads = template.variables().iter().any(|v| v.starts_with("promo_code"));
    let asks = template.variables().iter().any(|v| v == "promo_code");
    (reads && !asks && !makes).then(|| {
        place
            .error(
                "E0603",
                format!("template `{}` shows a promo code and this rule makes none", template.name),
            )
            .help("add a `promo_code` step before this send")
    })
}

fn no_way_out(place: &Place, rule: &Rule, template: &Template) -> Diagnostic {
    place
        .error(
            "E0604",
            format!(
                "template `{}` ({}) has no unsubscribe link, which mail for the purpose `{}` must have",
                template.name, template.locale, rule.purpose
            ),
        )
        .help("include the footer: <mj-include path=\"footer\" />")
}

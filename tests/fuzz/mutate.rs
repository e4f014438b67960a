//! Texts made of other texts: cut, doubled, crossed, and strewn with what readers stumble over.

/// Longer inputs find nothing that shorter ones do not, and slow everything down.
const MOST_BYTES: usize = 8 * 1024;

/// What has a meaning to YAML, CEL, handlebars, MJML, or to ourselves.
const WORDS: &[&str] = &[
    "\n",
    "\t",
    "\r\n",
    "  ",
    ": ",
    "- ",
    " #",
    "---\n",
    "...\n",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "|\n",
    ">-\n",
    "&a ",
    "*a",
    "!",
    "!!str ",
    "<<: ",
    "? ",
    "null",
    "~",
    "true",
    "no",
    "0",
    "-1",
    "1e999",
    "99999999999999999999",
    "0x10",
    "\u{feff}",
    "\u{0}",
    "é",
    "🎂",
    "\u{202e}",
    "ﬁ",
    "if: ",
    "then:\n",
    "else:\n",
    "steps:\n",
    "wait: ",
    "send: ",
    "event: ",
    "absent: ",
    "schedule: ",
    "anniversary: ",
    "audience: ",
    "until: ",
    "promo_code: ",
    "re_entry: ",
    "after 30d",
    "{ until: \"09:00\" }",
    "0 9 * * Mon",
    "*/0 * * * *",
    "59 23 31 2 *",
    "1-5/2",
    "L",
    "90s",
    "1h30m",
    "99999w",
    "10%",
    "5 EUR",
    "customer.",
    "data.",
    "event.data.",
    "now",
    "entry.",
    "has(",
    ")",
    "(",
    ".exists(i, i",
    ".map(i, ",
    " && ",
    " || ",
    " in ",
    " ? ",
    " == ",
    "duration(\"1h\")",
    "timestamp(",
    ".matches(\"(a*)*b\")",
    "size(",
    "r\"",
    "\"\"\"",
    "b'\\xff'",
    "1u",
    "{{",
    "}}",
    "{{{",
    "}}}",
    "{{{{raw}}}}",
    "{{#if data.a}}",
    "{{else}}",
    "{{/if}}",
    "{{#each data.items}}",
    "{{/each}}",
    "{{#with customer as |c|}}",
    "{{/with}}",
    "{{> footer}}",
    "{{!-- ",
    " --}}",
    "{{~",
    "~}}",
    "\\{{",
    "../",
    "this",
    "@root.",
    "@index",
    "(lookup ",
    "{{date now \"full\"}}",
    "{{money data.total \"EUR\"}}",
    "{{plural 2 other=\"#\"}}",
    "<mjml>",
    "</mjml>",
    "<mj-body>",
    "</mj-body>",
    "<mj-raw>",
    "</mj-raw>",
    "<mj-section>",
    "<mj-column>",
    "<mj-text>",
    "</mj-text>",
    "<mj-style inline=\"inline\">",
    "</mj-style>",
    "<mj-attributes>",
    "<mj-all ",
    "<mj-class name=\"",
    "mj-class=\"a\" ",
    "<mj-include path=\"footer\" />",
    "<mj-table>",
    "<tr>",
    "<td>",
    "<mj-carousel>",
    "<mj-navbar>",
    "<mj-hero ",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?xml ",
    "&nbsp;",
    "&#0;",
    "&amp",
    "<a href=\"",
    "\">",
    "/>",
    "<",
    ">",
    "style=\"",
    "width=\"1e9px\"",
    "@media { ",
    "url(",
    "subject: ",
    "preheader: ",
    "quiet_hours: ",
    "allowed: ",
    "08:00-20:00",
    "24:00",
    "mon-fri",
    "frequency_caps: ",
    "2 per 7d",
    "senders: ",
    "+33612345678",
    "Europe/Paris",
    "fr-FR",
    "default_locale: ",
];

/// Makes inputs, the same ones for the same seed.
pub struct Mutator<'a> {
    state: u64,
    corpus: &'a [String],
}

impl<'a> Mutator<'a> {
    pub fn new(seed: u64, corpus: &'a [String]) -> Self {
        assert!(!corpus.is_empty(), "nothing to begin with");
        // A state of nought would stay so.
        Self { state: seed | 1 << 63, corpus }
    }

    /// The next input: a text of the corpus, changed in one to eight places.
    pub fn next(&mut self) -> String {
        let mut text = self.any().to_owned();
        for _ in 0..=self.below(8) {
            self.change(&mut text);
            cut(&mut text, MOST_BYTES);
        }
        text
    }

    fn change(&mut self, text: &mut String) {
        let (from, to) = self.range(text);
        match self.below(9) {
            0 => text.replace_range(from..to, ""),
            1 => {
                let part = text[from..to].repeat(1 + self.below(4));
                text.insert_str(from, &part);
            }
            // Deep nesting, long rows.
            2 => {
                let word = self.word().repeat(self.below(300));
                text.insert_str(from, &word);
            }
            3 => {
                let other = self.any();
                let (a, b) = self.range(other);
                text.replace_range(from..to, &other[a..b]);
            }
            4 => text.truncate(to),
            5 => {
                let line = text[from..].find('\n').map_or(text.len(), |at| from + at);
                text.replace_range(from..line, "");
            }
            _ => {
                let word = self.word();
                let to = if self.below(2) == 0 { from } else { to.min(ceiling(text, from + word.len())) };
                text.replace_range(from..to, word);
            }
        }
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }

    fn any(&mut self) -> &'a str {
        let at = self.below(self.corpus.len());
        &self.corpus[at]
    }

    /// A stretch of a text, mostly a short one.
    fn range(&mut self, text: &str) -> (usize, usize) {
        let from = ceiling(text, self.below(text.len() + 1));
        let longest = if self.below(4) == 0 { text.len() } else { 24 };
        (from, ceiling(text, from + self.below(longest + 1)))
    }

    /// A number below `limit`, by xorshift: chance enough, and the same each time.
    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        // The remainder is smaller than a `usize`.
        (self.state % limit.max(1) as u64) as usize
    }
}

/// The first boundary of a character at or after `at`.
fn ceiling(text: &str, at: usize) -> usize {
    (at..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(ceiling(text, most));
    }
}

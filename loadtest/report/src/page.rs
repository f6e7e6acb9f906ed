//! The HTML page around tables and charts: one file, nothing from other hosts.

use std::fmt::Write as _;

use crate::chart::{self, Series};
use crate::criterion::{Criterion, all_hold};
use crate::text;

const STYLE: &str = include_str!("page.css");

/// A page that grows from top to bottom.
#[derive(Debug)]
pub struct Page {
    html: String,
}

impl Page {
    /// With a title, what was tested, and the verdict.
    pub fn new(title: &str, about: &str, criteria: &[Criterion]) -> Self {
        let (class, verdict) = if all_hold(criteria) {
            ("good", "holds")
        } else {
            ("bad", "does not hold")
        };
        let (title, about) = (escape(title), escape(about));
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <header><h1>{title} <span class=\"verdict {class}\">{verdict}</span></h1><p>{about}</p></header>\n"
        );
        Self { html }
    }

    /// A heading.
    pub fn section(&mut self, heading: &str) -> &mut Self {
        let _ = writeln!(self.html, "<h2>{}</h2>", escape(heading));
        self
    }

    /// A paragraph.
    pub fn paragraph(&mut self, words: &str) -> &mut Self {
        let _ = writeln!(self.html, "<p>{}</p>", escape(words));
        self
    }

    /// Figures that matter at a glance: name and value.
    pub fn figures(&mut self, figures: &[(&str, String)]) -> &mut Self {
        self.html.push_str("<dl class=\"figures\">\n");
        for (name, value) in figures {
            let _ = writeln!(
                self.html,
                "<div><dt>{}</dt><dd>{}</dd></div>",
                escape(name),
                escape(value)
            );
        }
        self.html.push_str("</dl>\n");
        self
    }

    /// The criteria, with an earlier run's figures where they are given.
    pub fn criteria(&mut self, criteria: &[Criterion], earlier: Option<&[Criterion]>) -> &mut Self {
        let mut head = vec!["", "criterion", "figure", "limit"];
        if earlier.is_some() {
            head.push("earlier");
        }
        head.push("");
        let rows = criteria.iter().map(|each| {
            let shown = |figure: Option<f64>| figure.map_or("not shown".to_owned(), text::figure);
            let mut row = vec![
                each.sign().to_owned(),
                each.name.replace('_', " "),
                shown(each.figure),
                format!("{} {}", each.comparison.sign(), text::figure(each.limit)),
            ];
            if let Some(earlier) = earlier {
                let before = earlier.iter().find(|before| before.name == each.name);
                row.push(shown(before.and_then(|before| before.figure)));
            }
            row.push(each.note.clone().unwrap_or_default());
            let class = match each.holds {
                Some(true) => "good",
                Some(false) => "bad",
                None => "unknown",
            };
            (class, row)
        });
        let rows: Vec<_> = rows.collect();
        self.classed_table(
            "criteria",
            &head,
            rows.iter().map(|(class, row)| (*class, row.as_slice())),
        )
    }

    /// A table of text.
    pub fn table(&mut self, head: &[&str], rows: &[Vec<String>]) -> &mut Self {
        self.classed_table("", head, rows.iter().map(|row| ("", row.as_slice())))
    }

    /// Opens a grid of charts.
    pub fn open_charts(&mut self) -> &mut Self {
        self.html.push_str("<div class=\"charts\">\n");
        self
    }

    /// Closes it.
    pub fn close_charts(&mut self) -> &mut Self {
        self.html.push_str("</div>\n");
        self
    }

    /// A chart with its caption and its legend.
    pub fn chart(&mut self, caption: &str, svg: &str, legend: &[Series]) -> &mut Self {
        let _ = write!(self.html, "<figure><figcaption>{}", escape(caption));
        for (index, line) in legend.iter().enumerate() {
            let color = chart::css_color(index);
            let _ = write!(
                self.html,
                " <span class=\"key\"><i style=\"background:{color}\"></i>{}</span>",
                escape(&line.name)
            );
        }
        let label = escape(caption);
        let svg = svg.replacen(
            "<svg ",
            &format!("<svg role=\"img\" aria-label=\"{label}\" "),
            1,
        );
        let _ = writeln!(self.html, "</figcaption>\n{svg}</figure>");
        self
    }

    /// The whole page.
    pub fn finish(mut self) -> String {
        self.html.push_str("</main>\n</body>\n</html>\n");
        self.html
    }

    fn classed_table<'a>(
        &mut self,
        class: &str,
        head: &[&str],
        rows: impl Iterator<Item = (&'a str, &'a [String])>,
    ) -> &mut Self {
        let _ = write!(
            self.html,
            "<div class=\"scroll\"><table class=\"{class}\">\n<thead><tr>"
        );
        for cell in head {
            let _ = write!(self.html, "<th>{}</th>", escape(cell));
        }
        self.html.push_str("</tr></thead>\n<tbody>\n");
        for (class, cells) in rows {
            let _ = write!(self.html, "<tr class=\"{class}\">");
            for cell in cells {
                let _ = write!(self.html, "<td>{}</td>", escape(cell));
            }
            self.html.push_str("</tr>\n");
        }
        self.html.push_str("</tbody>\n</table></div>\n");
        self
    }
}

/// Text as HTML has it.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criterion::Comparison;

    #[test]
    fn text_stays_text() {
        let mut page = Page::new("<b>", "\"&\"", &[]);
        page.table(&["<script>"], &[vec!["<img>".to_owned()]]);
        let html = page.finish();
        assert!(!html.contains("<b>") && !html.contains("<script>") && !html.contains("<img>"));
    }

    #[test]
    fn the_verdict_is_that_of_the_criteria() {
        let bad = [Criterion::check(
            "error_ratio",
            Comparison::Below,
            0.05,
            Some(0.5),
        )];
        assert!(Page::new("x", "", &bad).finish().contains("does not hold"));
    }
}

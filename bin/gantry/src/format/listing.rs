//! Lists of things: as a table, as JSON, or as the user's template says; in the same words for every command.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::json::escaped;
use super::table::layout;
use super::template::{LABEL, Template};
use crate::error::Error;

/// A list's rows and how its columns are called. A row's fields are texts.
pub(crate) struct Listing {
    /// The table when the user does not say otherwise: fields with tabs between them.
    pub(crate) columns: &'static [&'static str],
    /// The fields with their headings.
    pub(crate) headings: &'static [(&'static str, &'static str)],
    pub(crate) rows: Vec<Map<String, Value>>,
}

impl Listing {
    /// The list in `format`: empty or `table`, `table TEMPLATE`, `json`, or a template.
    pub(crate) fn render(self, format: &str) -> Result<String, Error> {
        match format.strip_prefix("table") {
            _ if format.is_empty() => Ok(self.default_table()),
            Some("") => Ok(self.default_table()),
            Some(template) if template.starts_with([' ', '\t']) => self.table(template.trim()),
            _ if format == "json" => {
                let line = |mut row: Map<String, Value>| {
                    row.remove(LABEL);
                    escaped(&Value::Object(row).to_string())
                };
                let lines = self.rows.into_iter().map(line);
                Ok(lines.map(|line| line + "\n").collect())
            }
            _ => {
                let template = Template::parse(&unescaped(format))?;
                let mut text = String::new();
                for row in self.rows {
                    text.push_str(&template.render(&Value::Object(row))?);
                    text.push('\n');
                }
                Ok(text)
            }
        }
    }

    fn default_table(self) -> String {
        let heading = |field: &&str| self.heading(field).to_owned();
        let mut lines = vec![self.columns.iter().map(heading).collect::<Vec<_>>().join("\t")];
        for row in &self.rows {
            let cell = |field: &&str| row.get(*field).and_then(Value::as_str).unwrap_or_default();
            let cells: Vec<_> = self.columns.iter().map(cell).map(one_line).collect();
            lines.push(cells.join("\t"));
        }
        layout(&lines)
    }

    fn table(self, template: &str) -> Result<String, Error> {
        let template = Template::parse(&unescaped(template))?;
        let headings: Map<String, Value> = self
            .headings
            .iter()
            .map(|(field, heading)| ((*field).into(), (*heading).into()))
            .chain([(LABEL.to_owned(), Value::Null)])
            .collect();
        let mut lines = vec![template.render(&Value::Object(headings))?];
        for row in self.rows {
            lines.push(template.render(&Value::Object(row))?);
        }
        Ok(layout(&lines))
    }

    fn heading(&self, field: &str) -> &'static str {
        self.headings.iter().find(|(known, _)| *known == field).map_or("", |(_, heading)| heading)
    }
}

/// One field of each row, a line each.
pub(crate) fn column(rows: &[Map<String, Value>], field: &str) -> String {
    let cells = rows.iter().filter_map(|row| row.get(field)?.as_str());
    cells.flat_map(|cell| [cell, "\n"]).collect()
}

/// A cell with a tab or a line feed would break the table.
fn one_line(cell: &str) -> String {
    cell.replace(['\t', '\n'], " ")
}

/// A shell leaves `\t` and `\n` to us.
fn unescaped(template: &str) -> String {
    template.replace("\\t", "\t").replace("\\n", "\n")
}

/// One row from its fields.
pub(crate) fn row<const N: usize>(fields: [(&str, String); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
}

/// The row with labels for `.Label "key"`.
pub(crate) fn with_labels(
    mut row: Map<String, Value>,
    labels: &BTreeMap<String, String>,
) -> Map<String, Value> {
    let labels = labels.iter().map(|(key, value)| (key.clone(), value.clone().into()));
    row.insert(LABEL.to_owned(), Value::Object(labels.collect()));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing() -> Listing {
        let rows = [("1", "a"), ("2", "b")];
        Listing {
            columns: &["ID", "Names"],
            headings: &[("ID", "CONTAINER ID"), ("Names", "NAMES")],
            rows: rows
                .map(|(id, name)| row([("ID", id.to_owned()), ("Names", name.to_owned())]))
                .into(),
        }
    }

    #[test]
    fn formats() {
        for (format, expected) in [
            ("", "CONTAINER ID   NAMES\n1              a\n2              b\n"),
            ("table {{.Names}}\\t{{.ID}}", "NAMES     CONTAINER ID\na         1\nb         2\n"),
            ("json", "{\"ID\":\"1\",\"Names\":\"a\"}\n{\"ID\":\"2\",\"Names\":\"b\"}\n"),
            ("{{.ID}}={{.Names}}", "1=a\n2=b\n"),
            ("{{json .Names}}", "\"a\"\n\"b\"\n"),
        ] {
            assert_eq!(listing().render(format).unwrap(), expected, "{format}");
        }
        let labelled = || {
            let mut listing = listing();
            let labels = BTreeMap::from([("com.team_x".to_owned(), "blue".to_owned())]);
            listing.rows[0] = with_labels(listing.rows[0].clone(), &labels);
            listing.rows[1] = with_labels(listing.rows[1].clone(), &BTreeMap::new());
            listing
        };
        for (format, expected) in [
            ("{{.ID}}{{.Label \"com.team_x\"}}", "1blue\n2\n"),
            (
                "table {{.Label \"com.team_x\"}}\\t{{.ID}}",
                "team x    CONTAINER ID\nblue      1\n          2\n",
            ),
            ("json", "{\"ID\":\"1\",\"Names\":\"a\"}\n{\"ID\":\"2\",\"Names\":\"b\"}\n"),
            ("{{json .}}", "{\"ID\":\"1\",\"Names\":\"a\"}\n{\"ID\":\"2\",\"Names\":\"b\"}\n"),
        ] {
            assert_eq!(labelled().render(format).unwrap(), expected, "{format}");
        }
        assert!(listing().render("{{.Nope}}").is_err());
        assert!(listing().render("{{.ID").is_err());
    }
}

//! Templates in Go's language, as far as people use it to pick fields: text, fields, pipelines, `if`, `range`, `with`,
//! and the functions `json join split upper lower title len index eq ne and or not println truncate`.

mod evaluate;
mod parse;

use serde_json::Value;

use crate::error::Error;
use crate::exit;
pub(crate) use evaluate::LABEL;
use parse::Node;

/// A template that was read.
#[derive(Debug)]
pub(crate) struct Template(Vec<Node>);

impl Template {
    /// Reads a template; what it cannot be is told with its place.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        parse::parse(text).map(Self).map_err(|reason| Error::Usage {
            text: format!("template parsing error: {reason}"),
            code: exit::BAD_TEMPLATE,
        })
    }

    /// The text for one document.
    pub(crate) fn render(&self, document: &Value) -> Result<String, Error> {
        let mut text = String::new();
        evaluate::render(&self.0, document, document, &mut text)
            .map_err(|reason| Error::refused(format!("template parsing error: {reason}")))?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(template: &str, expected: &str) {
        let document = json!({
            "Name": "/web",
            "State": {"Running": true, "Pid": 7, "Error": ""},
            "Args": ["-c", "ls"],
            "Labels": {"a.b": "1", "c": "2"},
            "Nothing": null,
            "Ratio": 0.5,
            "Mounts": [{"Source": "/a"}, {"Source": "/b"}],
        });
        let text = Template::parse(template).unwrap().render(&document);
        assert_eq!(text.unwrap(), expected, "{template}");
    }

    #[test]
    fn fields_and_text() {
        check("plain", "plain");
        check("{{.Name}}: {{ .State.Pid }}", "/web: 7");
        check("{{.State.Running}} {{.Ratio}}", "true 0.5");
        check("{{.Args}} {{.Labels}} {{.Nothing}}", "[-c ls] map[a.b:1 c:2] <no value>");
        check("a {{- .Name -}} b", "a/webb");
        check("{{/* nothing */}}x", "x");
        check("{{\"quoted\"}} {{`raw`}} {{3}}", "quoted raw 3");
        check("{{$.Name}}", "/web");
    }

    #[test]
    fn functions() {
        check("{{json .State}}", r#"{"Error":"","Pid":7,"Running":true}"#);
        check("{{.Args | json}}", r#"["-c","ls"]"#);
        check("{{join .Args \" \"}}", "-c ls");
        check("{{index .Labels \"a.b\"}} {{index .Args 1}}", "1 ls");
        check("{{index .Labels \"none\"}}", "");
        check("{{len .Args}} {{upper .Name}} {{title \"abc\"}}", "2 /WEB Abc");
        check("{{json (split \"a,b\" \",\")}}", r#"["a","b"]"#);
        check("{{truncate .Name 2}}", "/w");
    }

    #[test]
    fn blocks() {
        check("{{if .State.Running}}up{{else}}down{{end}}", "up");
        check("{{if .State.Error}}bad{{else if eq .State.Pid 7}}seven{{end}}", "seven");
        check("{{if and .State.Running (not .State.Error)}}fine{{end}}", "fine");
        check("{{if eq .Name \"/web\"}}yes{{end}}{{if ne 1 1}}no{{end}}", "yes");
        check("{{range .Mounts}}{{.Source}};{{end}}", "/a;/b;");
        check("{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}", "a.b=1 c=2 ");
        check("{{range $i, $e := .Args}}{{$i}}{{$e}}{{end}}", "0-c1ls");
        check("{{range .Nothing}}x{{else}}none{{end}}", "none");
        check("{{with .State}}{{.Pid}}{{end}}", "7");
        check("{{println .Name}}", "/web\n");
    }

    #[test]
    fn failures_are_told() {
        for (template, reason) in [
            ("{{.x", "unclosed action"),
            ("{{if .A}}", "unexpected EOF"),
            ("{{end}}", "unexpected {{end}}"),
            ("{{nofunction .A}}", "function \"nofunction\" not defined"),
            ("{{}}", "missing value for command"),
            ("{{\"open}}", "unterminated quoted string"),
            ("{{.A | }}", "missing value for command"),
            ("{{(.A}}", "unclosed left paren"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.to_string().contains(reason), "{template}: {error}");
            assert_eq!(exit::code(&error), 64);
        }
        for (template, reason) in [
            ("{{.Nope}}", "map has no entry for key \"Nope\""),
            ("{{.Name.x}}", "can't evaluate field x"),
            ("{{index .Args 9}}", "index out of range: 9"),
            ("{{$x}}", "undefined variable: $x"),
            ("{{len 3}}", "len of type"),
        ] {
            let document = json!({"Name": "a", "Args": ["b"]});
            let error = Template::parse(template).unwrap().render(&document).unwrap_err();
            assert!(error.to_string().contains(reason), "{template}: {error}");
        }
    }
}

//! The log option `tag`: a text with fields of Docker's templates, such as `{{.Name}}/{{.ID}}`.

use crate::error::Error;

/// What fields stand for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    pub id: String,
    /// Without a slash.
    pub name: String,
    pub image_id: String,
    pub image_name: String,
    pub command: String,
    pub hostname: String,
}

const SHORT: usize = 12;
/// No tag is longer, nor its template: it goes with every line.
const MAX_BYTES: usize = 1024;

/// Fails on a template that cannot be filled in.
pub(super) fn check(template: &str) -> Result<(), Error> {
    render(template, &Fields::default()).map(drop)
}

/// Fills in a template.
pub(crate) fn render(template: &str, fields: &Fields) -> Result<String, Error> {
    let invalid = |reason: String| {
        Error::invalid(format!("invalid value {template:?} for log option tag: {reason}"))
    };
    if template.len() > MAX_BYTES {
        return Err(invalid(format!("it is longer than {MAX_BYTES} bytes")));
    }
    if template.contains(['\n', '\r', '\0']) {
        return Err(invalid("a tag has one line".to_owned()));
    }
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, action)) = rest.split_once("{{") {
        text.push_str(before);
        let Some((action, after)) = action.split_once("}}") else {
            return Err(invalid("an action has no end: give }}".to_owned()));
        };
        let name = action.trim_matches(|letter: char| letter == '-' || letter.is_whitespace());
        match value(name, fields) {
            // The command is the image's: what it brings must not begin another message, nor leave room for none.
            Some(value) => {
                text.extend(value.chars().map(|it| if it.is_control() { ' ' } else { it }));
            }
            None => {
                return Err(invalid(format!(
                    "{{{{{action}}}}} is no field: give .ID, .FullID, .Name, .FullName, .ImageID, .ImageFullID, \
                     .ImageName, .Command, .Hostname or .DaemonName"
                )));
            }
        }
        rest = after;
    }
    text.push_str(rest);
    text.truncate(text.floor_char_boundary(MAX_BYTES));
    Ok(text)
}

fn value(field: &str, fields: &Fields) -> Option<String> {
    let short = |text: &str| text.chars().take(SHORT).collect::<String>();
    Some(match field {
        ".ID" => short(&fields.id),
        ".FullID" | ".ContainerID" => fields.id.clone(),
        ".Name" => fields.name.clone(),
        ".FullName" | ".ContainerName" => format!("/{}", fields.name),
        ".ImageID" => short(fields.image_id.split_once(':').map_or("", |(_, hex)| hex)),
        ".ImageFullID" | ".ContainerImageID" => fields.image_id.clone(),
        ".ImageName" | ".ContainerImageName" => fields.image_name.clone(),
        ".Command" => fields.command.clone(),
        ".Hostname" => fields.hostname.clone(),
        ".DaemonName" => "gantry".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_filled_in() {
        let fields = Fields {
            id: "0123456789abcdef".to_owned(),
            name: "web".to_owned(),
            image_id: "sha256:fedcba9876543210".to_owned(),
            image_name: "busybox".to_owned(),
            ..Fields::default()
        };
        for (template, expected) in [
            ("plain", "plain"),
            ("{{.ID}}", "0123456789ab"),
            ("{{ .ImageName }}/{{.Name}}", "busybox/web"),
            ("{{.FullName}}-{{.ImageID}}", "/web-fedcba987654"),
            ("{{- .DaemonName -}}", "gantry"),
        ] {
            assert_eq!(render(template, &fields).unwrap(), expected);
        }
    }

    #[test]
    fn an_image_s_command_stays_within_one_short_line() {
        let command = format!("sh -c echo\n<11>forged\0{}", "é".repeat(2000));
        let tag = render("x{{.Command}}", &Fields { command, ..Fields::default() }).unwrap();
        assert!(tag.starts_with("xsh -c echo <11>forged é"), "{tag}");
        assert!(
            !tag.contains(char::is_control) && (MAX_BYTES - 1..=MAX_BYTES).contains(&tag.len())
        );
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        let long = "x".repeat(2000);
        for (template, words) in [
            ("{{.Nope}}", "{{.Nope}} is no field"),
            ("{{.ID", "has no end"),
            ("a\nb", "one line"),
            (&long, "longer than 1024"),
        ] {
            let error = check(template).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}

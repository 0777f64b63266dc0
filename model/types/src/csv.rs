//! Values with fields between commas, `type=bind,src=/a`: a field in double quotes may hold commas, and a doubled quote
//! in it is one.

/// The fields of one line; the error is one sentence for the user.
pub fn fields(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_field(quoted).ok_or_else(|| format!("a quote in {text:?} is not closed"))?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(format!("a comma is missing after a quote in {text:?}")),
        }
    }
}

/// The field up to the closing quote, and what follows it.
fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Some((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_commas() {
        for (text, expected) in [
            ("a=b,c", vec!["a=b", "c"]),
            ("\"device=0,1\",x", vec!["device=0,1", "x"]),
            ("\"a\"\"b\"", vec!["a\"b"]),
            ("", vec![""]),
            ("a,", vec!["a", ""]),
        ] {
            assert_eq!(fields(text).unwrap(), expected, "{text}");
        }
        assert!(fields("\"a").is_err() && fields("\"a\"b").is_err());
    }
}

//! Lists of small numbers such as `0-3,7`, as the kernel writes sets of processors and memory nodes.

/// The numbers of a list, each below `limit`; `None` when the text is no such list.
pub(crate) fn numbers(text: &str, limit: usize) -> Option<Vec<usize>> {
    let number = |text: &str| text.trim().parse().ok().filter(|number| *number < limit);
    let mut found = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (number(first)?, number(last)?);
        if first > last || found.len() > limit {
            return None;
        }
        found.extend(first..=last);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_the_kernels() {
        assert_eq!(numbers("0-2,7", 8).unwrap(), [0, 1, 2, 7]);
        assert_eq!(numbers(" 1 , 3\n", 8).unwrap(), [1, 3]);
        for text in ["", "a", "3-1", "-1", "0,,1", "8", "0-8", "1-"] {
            assert_eq!(numbers(text, 8), None, "{text:?}");
        }
    }
}

//! Just enough of Rust's grammar to tell code from comments and literals, and words from words.

/// `text` with every comment, string and character replaced by blanks; lines and columns stay.
pub(crate) fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(&text[at..]).map_or(at, |length| at + length);
        if end > at {
            code.extend(text[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            let c = text[at..].chars().next().unwrap_or(' ');
            // A word that ends in r or b must not make the quote after it a raw string.
            let word = text[at..].find(|c: char| !is_word(c)).unwrap_or(text.len() - at);
            let length =
                if is_word(c) && !starts_literal(&text[at..]) { word.max(1) } else { c.len_utf8() };
            code.push_str(&text[at..at + length]);
            at += length;
        }
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn starts_literal(rest: &str) -> bool {
    literal_end(rest).is_some()
}

/// The length of the comment or literal that `rest` starts with, if it does.
fn literal_end(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(comment_end(rest));
    }
    let unprefixed = rest.strip_prefix('b').or_else(|| rest.strip_prefix('c')).unwrap_or(rest);
    let prefix = rest.len() - unprefixed.len();
    if let Some(raw) = unprefixed.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = prefix + 1 + hashes + 1;
            return Some(
                rest[open..].find(&close).map_or(rest.len(), |at| open + at + close.len()),
            );
        }
    }
    if unprefixed.starts_with('"') {
        return Some(prefix + quoted_end(unprefixed, '"'));
    }
    if unprefixed.starts_with('\'') && is_character(unprefixed) {
        return Some(prefix + quoted_end(unprefixed, '\''));
    }
    None
}

/// A lifetime has no second quote: a character has it after one character or after a backslash.
fn is_character(quoted: &str) -> bool {
    let mut inner = quoted.chars().skip(1);
    match inner.next() {
        Some('\\') => true,
        Some(_) => inner.next() == Some('\''),
        None => false,
    }
}

fn quoted_end(quoted: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in quoted.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    quoted.len()
}

fn comment_end(comment: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(found) = comment[at..].find(['/', '*']) {
        at += found;
        let step = if comment[at..].starts_with("/*") {
            depth += 1;
            2
        } else if comment[at..].starts_with("*/") {
            depth -= 1;
            2
        } else {
            1
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    comment.len()
}

/// The identifiers of a line of code.
pub(crate) fn identifiers(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c| !is_word(c)).filter(|word| !word.is_empty())
}

/// The words of an identifier, lower case: `get_HttpPage` is get, http, page.
pub(crate) fn words(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    for c in identifier.chars() {
        if c == '_' || (c.is_uppercase() && !before.is_uppercase()) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c != '_', words.last_mut()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Where the bracket that opens at `open` closes; the end of the code if it does not.
pub(crate) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return open + at;
        }
    }
    code.len()
}

/// The number of the line that holds the byte at `at`.
pub(crate) fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Where `word` stands as a word of its own.
pub(crate) fn places<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].chars().next_back().is_some_and(is_word);
        let after = code[at + word.len()..].chars().next().is_some_and(is_word);
        !(before || after && word.ends_with(is_word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_become_blanks_of_the_same_length() {
        let rows = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"x("a\"b") y"#, "x(      ) y"),
            (r##"br#"a"b"# z"##, "          z"),
            ("'a' 'b '\\'' <'c>", "    'b      <'c>"),
            ("number\"s\"", "number   "),
        ];
        for (text, code) in rows {
            assert_eq!(blank(text), code, "{text}");
        }
    }

    #[test]
    fn identifiers_fall_apart_into_words() {
        assert_eq!(words("get_HttpPage"), ["get", "http", "page"]);
        assert_eq!(words("FEED_BYTES"), ["feed", "bytes"]);
    }
}

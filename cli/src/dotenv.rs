//! The dotenv file in every dialect people write it: shell, Node, Python, Ruby, Docker.
//!
//! A line is `KEY=value`, `export KEY=value` or `KEY: value`, with spaces around the sign as one likes. In double quotes
//! `\n`, `\r`, `\t`, `\"`, `\\`, `\$`, `` \` `` and `\'` are escapes; single quotes and backticks hold text as it is; all three span
//! lines. Without quotes a value ends before ` #`. References (`${OTHER}`) are text: they are reported, never expanded.

use agentsecrets::SecretInput;

/// What a file says.
pub(crate) struct Parsed {
    /// In the order of the file; a key may be there more than once.
    pub(crate) entries: Vec<Entry>,
    /// Remarks about lines, without any text of theirs but keys.
    pub(crate) warnings: Vec<String>,
    /// Whether every line was understood.
    pub(crate) complete: bool,
}

/// One assignment.
pub(crate) struct Entry {
    /// The key as it is written.
    pub(crate) key: String,
    /// The line it begins on, counted from 1.
    pub(crate) line: usize,
    /// How many bytes the value has.
    pub(crate) length: usize,
    /// The value; none where it is empty or too long to be one.
    pub(crate) value: Option<SecretInput>,
    /// Why it is not to be stored, whatever its length.
    pub(crate) unfit: Option<&'static str>,
}

/// Reads a file. Nothing in it is an error: what is not understood is told.
pub(crate) fn parse(text: &[u8]) -> Parsed {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut parsed = Parsed { entries: Vec::new(), warnings: Vec::new(), complete: true };
    let mut reader = Reader { text, at: 0, line: 1 };
    while reader.at < text.len() {
        reader.assignment(&mut parsed);
    }
    parsed
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

/// A value between two places of the text, and the place after the line it ends on.
struct Found {
    value: Vec<u8>,
    next: usize,
    expands: bool,
}

impl Reader<'_> {
    fn assignment(&mut self, parsed: &mut Parsed) {
        let (begin, line) = (self.at, self.line);
        let end = self.end_of_line(begin);
        let Some((key, value_at)) = key_of(&self.text[begin..end]) else {
            let content = trimmed(&self.text[begin..end]);
            if !content.is_empty() && content[0] != b'#' {
                parsed.warnings.push(format!("line {line} is no assignment and is left out"));
                parsed.complete = false;
            }
            return self.go_on(end);
        };
        let value_at = begin + value_at;
        let quote = self.text.get(value_at).copied().filter(|c| matches!(c, b'"' | b'\'' | b'`'));
        let found = match quote.and_then(|quote| self.quoted(value_at + 1, quote)) {
            Some(found) => found,
            None => {
                if quote.is_some() {
                    parsed.warnings.push(format!("line {line} ({key}) has quotes that do not close; they are kept"));
                }
                self.bare(value_at, end)
            }
        };
        if found.expands {
            parsed.warnings.push(format!("line {line} ({key}) refers to another variable; the text is kept as it is"));
        }
        self.go_on(found.next);
        let length = found.value.len();
        let value = SecretInput::from_bytes(found.value).ok();
        parsed.entries.push(Entry { key, line, length, value, unfit: None });
    }

    /// The value in quotes that open before `from`, where they close and only a comment follows.
    fn quoted(&self, from: usize, quote: u8) -> Option<Found> {
        let close = self.closing(from, quote)?;
        let end = self.end_of_line(close + 1);
        let rest = trimmed(&self.text[close + 1..end]);
        if !rest.is_empty() && rest[0] != b'#' {
            return None;
        }
        let inside = &self.text[from..close];
        let value = match quote {
            b'"' => unescaped(inside, b"nrt\"\\$`'"),
            b'\'' => unescaped(inside, b"'"),
            _ => inside.to_vec(),
        };
        Some(Found { value, next: end, expands: quote == b'"' && refers(inside) })
    }

    fn closing(&self, from: usize, quote: u8) -> Option<usize> {
        let mut at = from;
        while let Some(&byte) = self.text.get(at) {
            let escapes = byte == b'\\' && quote != b'`';
            if escapes && quote == b'"' {
                at += 2;
            } else if escapes && self.text.get(at + 1) == Some(&b'\'') && !self.ends_at(at + 2) {
                // In single quotes a backslash is text, also before the closing quote: 'C:\dir\'.
                at += 2;
            } else if byte == quote {
                return Some(at);
            } else {
                at += 1;
            }
        }
        None
    }

    /// Whether nothing but a comment stands between `at` and the end of its line.
    fn ends_at(&self, at: usize) -> bool {
        let at = at.min(self.text.len());
        trimmed(&self.text[at..self.end_of_line(at)]).first().is_none_or(|byte| *byte == b'#')
    }

    /// The value without quotes: to the end of the line or a comment.
    fn bare(&self, from: usize, end: usize) -> Found {
        let text = &self.text[from..end];
        // A space may stand before `from`: `KEY= # comment` has no value.
        let is_comment = |at: &usize| {
            text[*at] == b'#'
                && (from + at).checked_sub(1).is_some_and(|before| matches!(self.text[before], b' ' | b'\t'))
        };
        let stop = (0..text.len()).find(is_comment).unwrap_or(text.len());
        let value = trimmed(&text[..stop]);
        Found { expands: refers(value), value: value.to_vec(), next: end }
    }

    fn end_of_line(&self, from: usize) -> usize {
        let rest = &self.text[from.min(self.text.len())..];
        rest.iter().position(|byte| *byte == b'\n').map_or(self.text.len(), |at| from + at)
    }

    /// Goes to the line after the one that ends at `end`.
    fn go_on(&mut self, end: usize) {
        let next = (end + 1).min(self.text.len());
        self.line += self.text[self.at..next].iter().filter(|byte| **byte == b'\n').count();
        self.at = next;
    }
}

/// The key of an assignment, and where its value begins.
fn key_of(line: &[u8]) -> Option<(String, usize)> {
    let mut at = skip_blanks(line, 0);
    if line[at..].starts_with(b"export") && line.get(at + 6).is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
        let after = skip_blanks(line, at + 6);
        // `export = x` is a key of that name.
        at = if line.get(after) == Some(&b'=') { at } else { after };
    }
    let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let end = at + line[at..].iter().take_while(|byte| is_key(byte)).count();
    let sign = skip_blanks(line, end);
    let assigns = match line.get(sign) {
        Some(b'=') => true,
        Some(b':') => line.get(sign + 1).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r')),
        _ => false,
    };
    if end == at || !assigns {
        return None;
    }
    Some((String::from_utf8_lossy(&line[at..end]).into_owned(), skip_blanks(line, sign + 1)))
}

fn skip_blanks(line: &[u8], from: usize) -> usize {
    from + line[from.min(line.len())..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

fn trimmed(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

fn refers(text: &[u8]) -> bool {
    text.windows(2).enumerate().any(|(at, pair)| pair == b"${" && (at == 0 || text[at - 1] != b'\\'))
}

/// The text with a backslash before one of `known` resolved; another backslash is text.
fn unescaped(text: &[u8], known: &[u8]) -> Vec<u8> {
    // Never longer than the text, so the buffer does not grow and leaves no copy.
    let mut value = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match bytes.peek().copied().filter(|next| byte == b'\\' && known.contains(next)) {
            None => value.push(byte),
            Some(next) => {
                bytes.next();
                value.push(match (next, known.len() > 1) {
                    (b'n', true) => b'\n',
                    (b'r', true) => b'\r',
                    (b't', true) => b'\t',
                    _ => next,
                });
            }
        }
    }
    value
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

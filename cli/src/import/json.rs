//! A reader of JSON that copies no text: what it finds stays where it stands in the file until it is asked for.
//!
//! The general reader puts each text into memory of its own, where a value would lie until somebody else needs the place.

use super::text::Text;

/// How deep lists and maps may lie in each other.
const MAX_DEPTH: usize = 64;
/// How many parts a file may have.
const MAX_NODES: usize = 1 << 20;

/// A part of a file. It shows nothing of itself.
pub(crate) struct Node<'a> {
    /// Where it begins, in bytes.
    pub(crate) at: usize,
    /// How many bytes it has as it is written.
    pub(crate) written: usize,
    pub(crate) kind: Kind<'a>,
}

/// What a part is.
pub(crate) enum Kind<'a> {
    Null,
    Boolean(bool),
    Number,
    Text(Text<'a>),
    List(Vec<Node<'a>>),
    /// In the order of the file; a key may be there more than once.
    Map(Vec<(Text<'a>, Node<'a>)>),
}

/// Where a file stops being JSON, and why.
#[derive(Debug)]
pub(crate) struct Broken {
    /// In bytes.
    pub(crate) at: usize,
    pub(crate) why: &'static str,
}

impl<'a> Node<'a> {
    /// What stands under a key of a map; of several the last, as most readers have it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.map()?.iter().rev().find(|(name, _)| name.is(key)).map(|(_, node)| node)
    }

    pub(crate) fn map(&self) -> Option<&[(Text<'a>, Node<'a>)]> {
        if let Kind::Map(pairs) = &self.kind { Some(pairs) } else { None }
    }

    pub(crate) fn list(&self) -> Option<&[Node<'a>]> {
        if let Kind::List(nodes) = &self.kind { Some(nodes) } else { None }
    }

    pub(crate) fn text(&self) -> Option<Text<'a>> {
        if let Kind::Text(text) = self.kind { Some(text) } else { None }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// Whether under a key stands this very text.
    pub(crate) fn says(&self, key: &str, word: &str) -> bool {
        self.get(key).and_then(Node::text).is_some_and(|text| text.is(word))
    }

    /// What a terminal may show of the text under a key; empty where there is none.
    pub(crate) fn label(&self, key: &str) -> String {
        self.get(key).and_then(Node::text).map(Text::label).unwrap_or_default()
    }
}

/// The parts of a text, one document after the other: some commands write many.
pub(crate) fn parse(text: &str) -> Result<Vec<Node<'_>>, Broken> {
    let mut reader = Reader { text, at: 0, nodes: 0 };
    let mut documents = Vec::new();
    reader.skip_space();
    while reader.at < text.len() {
        documents.push(reader.node(0)?);
        reader.skip_space();
    }
    Ok(documents)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn node(&mut self, depth: usize) -> Result<Node<'a>, Broken> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(self.broken("it has too many parts, or too deep ones"));
        }
        self.skip_space();
        let at = self.at;
        let kind = match self.peek() {
            Some(b'{') => Kind::Map(self.map(depth)?),
            Some(b'[') => Kind::List(self.list(depth)?),
            Some(b'"') => Kind::Text(self.quoted()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node { at, written: self.at - at, kind })
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Text<'a>, Node<'a>)>, Broken> {
        let mut pairs = Vec::new();
        self.at += 1;
        if self.takes(b'}') {
            return Ok(pairs);
        }
        loop {
            self.skip_space();
            let key = self.quoted()?;
            if !self.takes(b':') {
                return Err(self.broken("a colon is missing"));
            }
            pairs.push((key, self.node(depth + 1)?));
            if self.takes(b'}') {
                return Ok(pairs);
            }
            if !self.takes(b',') {
                return Err(self.broken("a comma or a brace is missing"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node<'a>>, Broken> {
        let mut nodes = Vec::new();
        self.at += 1;
        if self.takes(b']') {
            return Ok(nodes);
        }
        loop {
            nodes.push(self.node(depth + 1)?);
            if self.takes(b']') {
                return Ok(nodes);
            }
            if !self.takes(b',') {
                return Err(self.broken("a comma or a bracket is missing"));
            }
        }
    }

    fn quoted(&mut self) -> Result<Text<'a>, Broken> {
        if self.peek() != Some(b'"') {
            return Err(self.broken("a text in quotes is missing"));
        }
        let begin = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut end = begin;
        loop {
            match bytes.get(end) {
                None => return Err(self.broken("the quotes of a text do not close")),
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(0..0x20) => return Err(self.broken("a text has a line break or another control character")),
                Some(_) => end += 1,
            }
        }
        let text = Text::written(&self.text[begin..end]);
        let text = text.ok_or_else(|| self.broken("a text has an escape that there is not"))?;
        self.at = end + 1;
        Ok(text)
    }

    /// A number as RFC 8259, section 6, has it.
    fn number(&mut self) -> Result<Kind<'a>, Broken> {
        self.at += usize::from(self.peek() == Some(b'-'));
        let begin = self.at;
        let digits = self.digits();
        let mut legal = digits == 1 || (digits > 1 && self.text.as_bytes()[begin] != b'0');
        if self.peek() == Some(b'.') {
            self.at += 1;
            legal &= self.digits() > 0;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            legal &= self.digits() > 0;
        }
        if legal { Ok(Kind::Number) } else { Err(self.broken("a number is not written as numbers are")) }
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - begin
    }

    fn word(&mut self) -> Result<Kind<'a>, Broken> {
        let rest = &self.text[self.at..];
        for (word, kind) in [("null", Kind::Null), ("true", Kind::Boolean(true)), ("false", Kind::Boolean(false))] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(kind);
            }
        }
        Err(self.broken("here begins nothing that JSON has"))
    }

    /// Goes over a byte, and the space before it, where it is the next.
    fn takes(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn broken(&self, why: &'static str) -> Broken {
        Broken { at: self.at, why }
    }
}

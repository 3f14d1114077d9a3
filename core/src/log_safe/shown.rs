//! What a stranger wrote, as a human may be shown it.

/// The text without control characters, line ends among them, and without those that turn text around; at most so many characters.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let turns = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}');
    text.chars().filter(|c| !c.is_control() && !turns(*c)).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_a_terminal_or_turns_text_around_is_left_out() {
        let hostile = "no\u{1b}[2J such\nhint: account\u{202e}x\u{2066}\u{9b}\u{200f}";
        assert_eq!(shown(hostile, 100), "no[2J suchhint: accountx");
        assert_eq!((shown(hostile, 2).as_str(), shown("ß∂ƒ", 2).as_str()), ("no", "ß∂"));
    }
}

//! What bytes come to in a view, whichever way they were written.

/// The bytes a plain stretch ends at.
pub(super) static STOPS: [bool; 256] = {
    let mut table = [false; 256];
    table[b'%' as usize] = true;
    table[b'\\' as usize] = true;
    table[b'&' as usize] = true;
    table[b';' as usize] = true;
    table[b'\n' as usize] = true;
    table
};

/// What a byte comes to: lower case, a plus for a space, and for a control character the letter JSON escapes it with.
pub(super) static NORMAL: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b' ' => b'+',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            8 => b'b',
            12 => b'f',
            other => other.to_ascii_lowercase(),
        };
        byte += 1;
    }
    table
};

//! Keys and sealed records, without I/O.

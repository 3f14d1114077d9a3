//! The engine behind a socket, and the way to it.

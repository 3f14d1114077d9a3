//! Stage 2: opens the values a permitted call names.

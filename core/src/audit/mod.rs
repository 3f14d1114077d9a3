//! Around every call: evidence of what was asked, decided and done.

//! Stage 5: takes values out of what comes back.

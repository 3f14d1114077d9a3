//! Stage 1: may this secret go there?

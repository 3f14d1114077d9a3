//! Where sealed values rest.

//! Stage 3: places values in a request. One auth style a file.

//! What runs beside the requests, and the commands that put it together.

pub mod log;

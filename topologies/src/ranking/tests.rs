//! Rankings of small worlds.

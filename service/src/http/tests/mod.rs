//! The routes as their callers see them: asked without a socket, on a cluster in this process.

mod admin;
mod certified;
mod daily_metrics;
mod events;
mod feed;
mod feed_page;
mod internal;
mod openapi;
mod preferences;
mod roles;
mod stores;
mod tiers;
mod trending;
mod walks;
mod wire;
mod workers;
mod world;

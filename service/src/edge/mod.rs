//! The edge: what stands between a socket and routes, and bounds what anybody on the other side can take.
//!
//! A connection is counted, in all and by address, and has so long for its handshake, its first byte, the head of a request, between
//! requests and to take what it is sent: [`activity`] says at which of these it is. A request's head is measured,
//! whoever asks is told apart ([`client`]) and counted, and only so many requests are worked on at once; each has
//! so long. All that is refused here is refused in the one form of the API, with these exceptions: what is no HTTP, or whose head is
//! beyond what the parser holds, is answered with a bare status, and who lets a time pass is cut off.

mod activity;
mod addresses;
mod admission;
mod client;
mod connection;
mod listener;
#[cfg(test)]
pub mod tests;
mod turns;

pub use addresses::{applies, subject};
pub use listener::{Bounds, Listener, stopped};

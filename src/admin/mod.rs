//! The HTTP server for operators: metrics and health.

use std::net::SocketAddr;

/// Where the server listens.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// `None`: no server.
    pub listen: Option<SocketAddr>,
}

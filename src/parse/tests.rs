//! Odd mails, each with one oddity.

use super::*;

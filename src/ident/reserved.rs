//! The names that pophook gives itself. No configuration can take one: they begin with a parenthesis.

use super::EndpointName;
use super::NameError;

/// The name under which reports by mail wait and are listed.
const MAIL: &str = "(mail)";

impl EndpointName {
    /// The endpoint that is no HTTP receiver: what is delivered to it goes by SMTP to a human's mailbox.
    pub fn mail() -> EndpointName {
        EndpointName(MAIL.into())
    }

    /// Whether it is [`EndpointName::mail`].
    pub fn is_mail(&self) -> bool {
        self.as_str() == MAIL
    }

    /// Reads a name that stood in the spool: one of the configuration, or one of ours.
    ///
    /// # Errors
    /// [`NameError`] for what is neither.
    pub fn read_back(name: &str) -> Result<EndpointName, NameError> {
        if name == MAIL { Ok(EndpointName::mail()) } else { EndpointName::parse(name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_reports_by_mail_cannot_be_configured() {
        assert!(EndpointName::parse(MAIL).is_err());
        assert_eq!(EndpointName::read_back(MAIL), Ok(EndpointName::mail()));
        assert!(EndpointName::mail().is_mail() && !EndpointName::parse("mail").unwrap().is_mail());
        assert!(EndpointName::read_back("(other)").is_err());
    }
}

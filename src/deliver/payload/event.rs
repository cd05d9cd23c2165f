//! The body of an event: what is told of a mail that is too large, of a dead letter, of a mailbox or an endpoint.
//!
//! Written in the native format, or in a structured CloudEvent around its `data`.

use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;

use super::Facts;
use super::Head;
use super::cloudevents;
use super::cloudevents::Event;
use super::json;
use super::json::Payload;
use crate::deliver::Format;
use crate::parse::Mail;
use crate::spool;
use crate::spool::Change;
use crate::spool::DeadLetter;

/// What an event is written in.
#[derive(Debug, Clone, Copy)]
pub enum Frame<'a> {
    /// The shape of this format.
    Native,
    /// A structured CloudEvent with this id.
    CloudEvent(&'a str),
}

fn in_frame(frame: Frame<'_>, payload: &Payload<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    Ok(match frame {
        Frame::Native => serde_json::to_writer(out, payload),
        Frame::CloudEvent(id) => serde_json::to_writer(out, &Event::of(id, payload)),
    }?)
}

/// What goes before the body of an event, and what it is written in. Formats that cannot tell events fall back on our
/// own: an endpoint may have changed its format while an event was waiting for it.
pub fn head<'a>(format: &Format, id: &'a str) -> (Head, Frame<'a>) {
    match format {
        Format::CloudEvents(_) => (cloudevents::structured(), Frame::CloudEvent(id)),
        Format::Json
        | Format::Raw
        | Format::Postmark
        | Format::Cloudmailin(_)
        | Format::Sendgrid(_)
        | Format::Mailgun(_)
        | Format::Template(_) => (Head::json(), Frame::Native),
    }
}

/// Writes the body that tells of a mail that is too large; of `mail`, only what its header gives is told.
///
/// # Errors
/// Those of `out`. Half a body must not be posted.
pub fn oversize(
    frame: Frame<'_>,
    facts: &Facts<'_>,
    mail: &Mail,
    why: json::TooLarge,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    in_frame(frame, &Payload::Oversize(&json::oversize::envelope(facts, mail, why)), out)
}

/// Writes the body that tells of a dead letter, at `told_at`. Without `raw`, our copy of the mail is gone.
///
/// # Errors
/// Those of `out`. Half a body must not be posted.
pub fn dead_letter(
    frame: Frame<'_>,
    facts: &Facts<'_>,
    mail: &Mail,
    raw: Option<&[u8]>,
    (told_at, settled): (Timestamp, &DeadLetter),
    out: &mut dyn io::Write,
) -> io::Result<()> {
    in_frame(frame, &Payload::DeadLetter(&json::dead_letter::envelope(facts, mail, raw, told_at, settled)), out)
}

/// The body that tells of a change, at `told_at`; `labels` are those of its mailbox.
///
/// # Errors
/// None that anybody foresees: it writes to memory, and no key of ours is anything but a string.
pub fn changed(
    frame: Frame<'_>,
    change: Change,
    told_at: Timestamp,
    facts: &spool::Facts,
    labels: Option<&BTreeMap<String, String>>,
) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    in_frame(frame, &Payload::Changed(&json::changed::envelope(change, told_at, facts, labels)), &mut body)?;
    Ok(body)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::deliver::payload::json::tests::RAW;
    use crate::deliver::payload::json::tests::given;
    use crate::parse;

    /// The event that tells of a mail with this header.
    pub(in crate::deliver::payload) fn oversize(header: &[u8]) -> serde_json::Value {
        let mail = parse::parse(header, &parse::Options::default());
        given(|facts| {
            let mut body = Vec::new();
            let why = json::TooLarge { size: 60_000_000, limit: 50_000_000 };
            super::oversize(Frame::Native, facts, &mail, why, &mut body).unwrap();
            body
        })
    }

    fn settled() -> DeadLetter {
        DeadLetter {
            mail: "msg_p54ru6mx5sc2wc6slugowgnw2j".to_owned(),
            endpoint: "desk".to_owned(),
            reason: "refused".to_owned(),
            attempts: 5,
            last_status: Some(422),
            last_error: None,
            settled_at: "2025-10-02T08:30:00.000Z".to_owned(),
            unparsed: false,
        }
    }

    /// The notice of a dead letter, with our copy of the mail or without.
    pub(in crate::deliver::payload) fn dead_letter(raw: Option<&[u8]>) -> serde_json::Value {
        let mail = raw.map_or_else(Mail::default, |raw| parse::parse(raw, &parse::Options::default()));
        let told_at = Timestamp::from_second(1_759_393_800).unwrap();
        given(|facts| {
            let mut body = Vec::new();
            super::dead_letter(Frame::Native, facts, &mail, raw, (told_at, &settled()), &mut body).unwrap();
            body
        })
    }

    pub(in crate::deliver::payload) fn changed(
        change: Change,
        mailbox: Option<&str>,
        endpoint: Option<&str>,
    ) -> serde_json::Value {
        let facts = spool::Facts {
            mailbox: mailbox.map(str::to_owned),
            endpoint: endpoint.map(str::to_owned),
            since: "2025-10-02T08:30:00.000Z".to_owned(),
            reason: Some("refused".to_owned()),
        };
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let told_at = Timestamp::from_second(1_759_393_800).unwrap();
        let body = super::changed(Frame::Native, change, told_at, &facts, mailbox.map(|_| &labels)).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn an_event_tells_what_the_header_gives_and_nothing_of_the_body() {
        let body = oversize(RAW);
        assert_eq!((&body["type"], &body["timestamp"]), (&"mail.oversize".into(), &"2025-10-02T08:00:00.000Z".into()));
        let data = &body["data"];
        assert_eq!((&data["size"], &data["limit"]), (&60_000_000.into(), &50_000_000.into()));
        assert_eq!((&data["subject"], &data["unique_id"]), (&"café".into(), &"7%25".into()));
        assert_eq!((&data["message_id"], &data["thread"]), (&"1@example.org".into(), &"1@example.org".into()));
        assert_eq!(data["recipients"][0]["tag"], "42");
        assert_eq!(data["headers"].as_array().map(Vec::len), Some(6));
        let never = ["text", "html", "attachments", "raw", "sha256", "defects"];
        assert!(never.iter().all(|field| data.get(field).is_none()), "{data}");
    }

    #[test]
    fn an_event_without_a_header_says_as_much_as_is_known() {
        let data = &oversize(b"")["data"];
        assert_eq!((&data["size"], &data["mailbox"]), (&60_000_000.into(), &"support".into()));
        assert_eq!((&data["headers"], &data["from"]), (&serde_json::json!([]), &serde_json::json!([])));
        assert!(data["subject"].is_null() && data["message_id"].is_null());
    }

    #[test]
    fn a_dead_letter_carries_the_whole_mail_and_why_it_is_dead() {
        let body = dead_letter(Some(RAW));
        assert_eq!(
            (&body["type"], &body["timestamp"]),
            (&"mail.dead_letter".into(), &"2025-10-02T08:30:00.000Z".into())
        );
        let data = &body["data"];
        assert_eq!((&data["id"], &data["subject"]), (&"msg_p54ru6mx5sc2wc6slugowgnw2j".into(), &"café".into()));
        assert_eq!(data["attachments"][0]["content"], "JVBERg==");
        assert_eq!(base64_simd::STANDARD.decode_to_vec(data["raw"].as_str().unwrap()).unwrap(), RAW);
        let expected = serde_json::json!({
            "endpoint": "desk", "reason": "refused", "attempts": 5, "last_status": 422, "last_error": null,
            "settled_at": "2025-10-02T08:30:00.000Z", "omitted": null,
        });
        assert_eq!(data["dead_letter"], expected);
    }

    #[test]
    fn a_dead_letter_whose_mail_was_erased_says_so() {
        let data = &dead_letter(None)["data"];
        assert_eq!((&data["dead_letter"]["omitted"], &data["dead_letter"]["attempts"]), (&"erased".into(), &5.into()));
        assert_eq!((&data["id"], &data["size"]), (&"msg_p54ru6mx5sc2wc6slugowgnw2j".into(), &3.into()));
        assert!(data.get("raw").is_none() && data["subject"].is_null());
    }

    #[test]
    fn a_change_names_its_mailbox_or_its_endpoint_and_nothing_else() {
        let body = changed(Change::AuthFailed, Some("support"), None);
        assert_eq!(body["type"], "mailbox.auth_failed");
        let data = serde_json::json!({
            "mailbox": "support", "labels": { "team": "a" }, "since": "2025-10-02T08:30:00.000Z", "reason": "refused",
        });
        assert_eq!(body["data"], data);
        let data = &changed(Change::EndpointHeld, None, Some("desk"))["data"];
        assert_eq!((&data["endpoint"], data.get("mailbox"), data.get("labels")), (&"desk".into(), None, None));
    }
}

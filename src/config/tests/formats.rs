//! Formats of endpoints, and the keys that belong to one of them.

use crate::config::tests::ENDPOINTS;
use crate::config::tests::MAILBOXES;
use crate::config::tests::SPOOL;
use crate::config::tests::load;
use crate::deliver::Attachments;
use crate::deliver::CloudEvents;
use crate::deliver::Cloudmailin;
use crate::deliver::Endpoint;
use crate::deliver::Format;
use crate::deliver::Sendgrid;

/// A good file whose only endpoint also has these lines, on line 7.
fn with(more: &str) -> String {
    let more: String = more.lines().map(|line| format!("    {line}\n")).collect();
    format!("{SPOOL}{MAILBOXES}endpoints:\n  - name: e\n    url: http://h/\n    signing: none\n{more}")
}

fn endpoint(more: &str) -> Endpoint {
    load(&with(more)).unwrap().deliver.endpoints.remove(0)
}

#[track_caller]
fn check(more: &str, expected: &str) {
    assert_eq!(load(&with(more)).err().as_deref(), Some(expected), "{more}");
}

#[test]
fn each_format_has_its_own_keys() {
    let format = |more: &str| endpoint(more).format;
    assert!(matches!(format(""), Format::Json));
    assert!(matches!(format("format: cloudevents"), Format::CloudEvents(CloudEvents::Structured)));
    let binary = format("format: cloudevents\ncloudevents_mode: binary");
    assert!(matches!(binary, Format::CloudEvents(CloudEvents::Binary)));
    assert!(matches!(format("format: raw"), Format::Raw));
    assert!(matches!(format("format: postmark"), Format::Postmark));
    assert!(matches!(format("format: cloudmailin"), Format::Cloudmailin(Cloudmailin::Json)));
    let form = format("format: cloudmailin\ncloudmailin_mode: multipart");
    assert!(matches!(form, Format::Cloudmailin(Cloudmailin::Multipart)));
    assert!(matches!(format("format: sendgrid"), Format::Sendgrid(Sendgrid::Parsed)));
    assert!(matches!(format("format: sendgrid\nsendgrid_mode: raw"), Format::Sendgrid(Sendgrid::Raw)));
    let mailgun = format("format: mailgun\nmailgun_signing_key: { file: /run/secrets/support }");
    assert!(matches!(&mailgun, Format::Mailgun(key) if key.reveal() == "hunter2"));
    assert!(!format!("{mailgun:?}").contains("hunter2"));
    let template = format("format: template\ntemplate: { file: /good.jinja, content_type: application/vnd.x+json }");
    assert!(matches!(template, Format::Template(template) if template.content_type() == "application/vnd.x+json"));
}

#[test]
fn a_template_gets_the_bytes_of_attachments_only_where_that_is_written() {
    let template = "format: template\ntemplate: { file: /good.jinja }\n";
    assert_eq!(endpoint(template).attachments, Attachments::Omit);
    assert_eq!(endpoint(&format!("{template}attachments: inline")).attachments, Attachments::Inline);
    assert_eq!(endpoint("format: postmark").attachments, Attachments::Inline);
}

#[test]
fn what_a_format_needs_is_missed_and_what_it_cannot_use_is_refused() {
    check(
        "format: mailgun\n",
        "F:4: endpoints[0].mailgun_signing_key: is missing; write the key that the receiver verifies Mailgun's signature with, such as { env: NAME }",
    );
    check(
        "format: template\n",
        "F:4: endpoints[0].template: is missing; write { file: PATH }; some are ready in deploy/templates",
    );
    check(
        "cloudevents_mode: binary\n",
        "F:7: endpoints[0].cloudevents_mode: has no effect without format: cloudevents; write that, or take it out",
    );
    check(
        "format: raw\nattachments: omit\n",
        "F:8: endpoints[0].attachments: has no effect with format: raw, which is the whole mail; take it out",
    );
}

#[test]
fn a_template_that_fails_is_told_with_its_file_and_line() {
    let at = "F:8: endpoints[0].template.file";
    let remedy =
        "look at the fields in `pophook schema payload`, and write {% if … %} or default(…) where one may be missing";
    check(
        "format: template\ntemplate: { file: /bad.jinja }\n",
        &format!("{at}: /bad.jinja:2: fails with a mail of plain text: undefined value; {remedy}"),
    );
    let quotes = "what {{ … }} prints is JSON already, so write no quotes around it, and commas outside of it";
    check(
        "format: template\ntemplate: { file: /quoted.jinja }\n",
        &format!(
            "{at}: /quoted.jinja: does not make JSON of a mail of plain text: expected `,` or `}}` at line 1 column 10 of the body; {quotes}"
        ),
    );
    check(
        "format: template\ntemplate: { file: /none.jinja }\n",
        &format!("{at}: cannot read /none.jinja: entity not found; create the file"),
    );
    check("format: template\ntemplate: { file: /latin1 }\n", &format!("{at}: /latin1 is not UTF-8; save it as such"));
    check(
        "format: template\ntemplate: { file: /good.jinja, content_type: json }\n",
        "F:8: endpoints[0].template.content_type: is no content type; write one such as application/json",
    );
}

#[test]
fn who_can_tell_of_mail_alone_is_told_nothing_else() {
    let remedy = "can tell of mail alone; name an endpoint with format: json or cloudevents";
    check(
        "format: raw\nevents: [mail.oversize]\n",
        &format!("F:8: endpoints[0].events: cannot be told: format: raw {remedy}"),
    );
    assert!(load(&with("format: cloudevents\nevents: [mail.oversize]\n")).is_ok());
    let two = |format: &str| {
        let one = ENDPOINTS.replace("signing: none }]", "signing: none, on_dead_letter: { endpoint: f } }");
        load(&format!("{SPOOL}{MAILBOXES}{one}, {{ name: f, url: http://h/, signing: none, format: {format} }}]\n"))
    };
    let expected = format!(
        "F:3: endpoints[0].on_dead_letter.endpoint: cannot be told of dead letters: its format: postmark {remedy}"
    );
    assert_eq!(two("postmark").err(), Some(expected));
    assert!(two("cloudevents").is_ok());
}

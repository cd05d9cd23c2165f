//! `format: cloudmailin`: CloudMailin's normalised formats, as one JSON document or as a form with files.
//!
//! `remote_ip`, `helo_domain` and `tls` are what our server wrote into its Received field.

use std::collections::HashMap;
use std::io;

use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeMap as _;

use super::form::Form;
use super::json::Base64;
use super::part;
use super::raw;
use super::vendor;
use crate::deliver::Cloudmailin;
use crate::deliver::carriage::Way;
use crate::deliver::payload::Head;
use crate::deliver::payload::Source;
use crate::parse::Attachment;
use crate::parse::Mail;

pub(super) fn head(mode: Cloudmailin, source: &Source<'_>) -> Head {
    match mode {
        Cloudmailin::Json => Head::json(),
        Cloudmailin::Multipart => Head::of(Form::of(source.facts.id).content_type()),
    }
}

pub(super) fn write(mode: Cloudmailin, source: &Source<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    match mode {
        Cloudmailin::Json => Ok(serde_json::to_writer(out, &Incoming::of(source))?),
        Cloudmailin::Multipart => write_form(source, out),
    }
}

#[derive(Serialize)]
struct Incoming<'a> {
    headers: Headers<'a>,
    envelope: Envelope<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plain: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_plain: Option<&'a str>,
    attachments: Vec<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<raw::Text<'a>>,
}

impl<'a> Incoming<'a> {
    fn of(source: &Source<'a>) -> Incoming<'a> {
        let mail = source.mail;
        Incoming {
            headers: Headers::of(mail),
            envelope: Envelope::of(mail),
            plain: mail.text.as_deref(),
            html: mail.html.as_deref(),
            reply_plain: mail.reply_text(),
            attachments: source.attachments().filter_map(File::of).collect(),
            message: source.options.include_raw.then_some(raw::Text(source.raw)),
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    to: &'a str,
    recipients: Vec<&'a str>,
    from: &'a str,
    helo_domain: &'a str,
    remote_ip: String,
    spf: Spf<'a>,
    tls: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    spamd: Option<Spamd<'a>>,
}

#[derive(Serialize)]
struct Spf<'a> {
    result: &'a str,
    domain: &'a str,
}

#[derive(Serialize)]
struct Spamd<'a> {
    score: String,
    success: bool,
    description: &'a str,
}

impl Envelope<'_> {
    fn of(mail: &Mail) -> Envelope<'_> {
        let peer = vendor::peer(mail);
        fn spamd(spam: vendor::Spam<'_>) -> Option<Spamd<'_>> {
            Some(Spamd { score: spam.score?, success: true, description: spam.report })
        }
        Envelope {
            to: vendor::envelope_recipient(mail),
            recipients: mail.recipients.iter().map(|recipient| recipient.address.as_str()).collect(),
            from: vendor::envelope_sender(mail),
            helo_domain: peer.helo,
            remote_ip: peer.ip,
            spf: Spf { result: vendor::spf(mail), domain: vendor::spf_domain(mail) },
            tls: peer.tls,
            spamd: vendor::spam(mail).and_then(spamd),
        }
    }
}

#[derive(Serialize)]
struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Base64<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    file_name: &'a str,
    content_type: &'a str,
    size: u64,
    disposition: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_id: Option<&'a str>,
}

impl<'a> File<'a> {
    /// `None` of one that does not travel: there is no word for it.
    fn of((part, way): (&'a Attachment, &'a Way)) -> Option<File<'a>> {
        let (content, url) = match way {
            Way::Content | Way::Multipart => (Some(part::base64(part)), None),
            Way::Linked(link) => (None, Some(&*link.url)),
            Way::Omitted(_) => return None,
        };
        Some(File {
            content,
            url,
            file_name: &part.safe_filename,
            content_type: &part.content_type,
            size: part::size(part),
            disposition: if part.inline { "inline" } else { "attachment" },
            content_id: part.content_id.as_deref().filter(|_| part.inline),
        })
    }
}

/// The fields by name, in lower case and with underscores, each with its values in order.
struct Headers<'a>(Vec<(String, Vec<&'a str>)>);

impl Headers<'_> {
    fn of(mail: &Mail) -> Headers<'_> {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut all: Vec<(String, Vec<&str>)> = Vec::new();
        for field in &mail.headers {
            let key = field.name.to_ascii_lowercase().replace('-', "_");
            let place = *places.entry(key.clone()).or_insert(all.len());
            match all.get_mut(place) {
                Some((_, values)) => values.push(&field.value),
                None => all.push((key, vec![&field.value])),
            }
        }
        Headers(all)
    }
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, values) in &self.0 {
            match values.as_slice() {
                [one] => map.serialize_entry(key, one)?,
                several => map.serialize_entry(key, several)?,
            }
        }
        map.end()
    }
}

fn write_form(source: &Source<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let form = Form::of(source.facts.id);
    let Incoming { headers, envelope, plain, html, reply_plain, message, attachments } = Incoming::of(source);
    let tls = if envelope.tls { "true" } else { "false" };
    for (name, value) in [
        ("to", envelope.to),
        ("from", envelope.from),
        ("helo_domain", envelope.helo_domain),
        ("remote_ip", &envelope.remote_ip),
        ("tls", tls),
    ] {
        form.field(out, &format!("envelope[{name}]"), value.as_bytes())?;
    }
    for (at, recipient) in envelope.recipients.iter().enumerate() {
        form.field(out, &format!("envelope[recipients][{at}]"), recipient.as_bytes())?;
    }
    form.field(out, "envelope[spf][result]", envelope.spf.result.as_bytes())?;
    form.field(out, "envelope[spf][domain]", envelope.spf.domain.as_bytes())?;
    if let Some(spamd) = &envelope.spamd {
        form.field(out, "envelope[spamd][score]", spamd.score.as_bytes())?;
    }
    for (key, values) in &headers.0 {
        // A bracket in a name would begin another level.
        let key = key.replace(['[', ']'], "_");
        match values.as_slice() {
            [one] => form.field(out, &format!("headers[{key}]"), one.as_bytes())?,
            several => several
                .iter()
                .enumerate()
                .try_for_each(|(at, value)| form.field(out, &format!("headers[{key}][{at}]"), value.as_bytes()))?,
        }
    }
    for (name, value) in [("plain", plain), ("html", html), ("reply_plain", reply_plain)] {
        if let Some(value) = value {
            form.field(out, name, value.as_bytes())?;
        }
    }
    for (at, file) in attachments.iter().enumerate().filter(|(_, file)| file.url.is_some()) {
        let size = file.size.to_string();
        let fields = [
            ("url", file.url),
            ("file_name", Some(file.file_name)),
            ("content_type", Some(file.content_type)),
            ("size", Some(&*size)),
            ("disposition", Some(file.disposition)),
            ("content_id", file.content_id),
        ];
        for (name, value) in fields.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            form.field(out, &format!("attachments[{at}][{name}]"), value.as_bytes())?;
        }
    }
    for part in part::carried(source) {
        let named = (part.safe_filename.as_str(), part.content_type.as_str());
        form.file(out, "attachments[]", named, |out| part::write(part, out))?;
    }
    if message.is_some() {
        form.field(out, "message", source.raw)?;
    }
    form.end(out)
}

//! The body's shape, and the keys that belong to one shape alone.

use std::sync::Arc;

use reqwest::header::HeaderValue;

use crate::config::check::noted;
use crate::config::check::required;
use crate::config::file::Endpoint;
use crate::config::list::List;
use crate::config::list::items;
use crate::config::names::Named as _;
use crate::config::names::Shape;
use crate::config::outside::Outside;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::resolve;
use crate::deliver::CloudEvents;
use crate::deliver::Cloudmailin;
use crate::deliver::Format;
use crate::deliver::Sendgrid;
use crate::deliver::payload::Template;

const JSON: &str = "application/json";
const KEY_REMEDY: &str = "write the key that the receiver verifies Mailgun's signature with, such as { env: NAME }";
const TEMPLATE_REMEDY: &str = "write { file: PATH }; some are ready in deploy/templates";

pub(super) fn check(endpoint: &Endpoint, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<Format> {
    let shape = shape(endpoint);
    for (key, written, of) in [
        ("cloudevents_mode", endpoint.cloudevents_mode.is_some(), Shape::CloudEvents),
        ("cloudmailin_mode", endpoint.cloudmailin_mode.is_some(), Shape::Cloudmailin),
        ("sendgrid_mode", endpoint.sendgrid_mode.is_some(), Shape::Sendgrid),
        ("mailgun_signing_key", endpoint.mailgun_signing_key.is_some(), Shape::Mailgun),
        ("template", endpoint.template.is_some(), Shape::Template),
    ] {
        if written && shape != of && !report.has(&path.key("format")) {
            let name = name(of);
            report.add(&path.key(key), format!("has no effect without format: {name}; write that, or take it out"));
        }
    }
    match shape {
        Shape::Json => Some(Format::Json),
        Shape::CloudEvents => Some(Format::CloudEvents(or(&endpoint.cloudevents_mode, CloudEvents::Structured))),
        Shape::Raw => Some(Format::Raw),
        Shape::Postmark => Some(Format::Postmark),
        Shape::Cloudmailin => Some(Format::Cloudmailin(or(&endpoint.cloudmailin_mode, Cloudmailin::Json))),
        Shape::Sendgrid => Some(Format::Sendgrid(or(&endpoint.sendgrid_mode, Sendgrid::Parsed))),
        Shape::Mailgun => {
            let path = path.key("mailgun_signing_key");
            if endpoint.mailgun_signing_key.is_none() {
                report.missing(&path, KEY_REMEDY);
            }
            let key = noted(resolve(endpoint.mailgun_signing_key.as_ref()?, outside), &path, report)?;
            Some(Format::Mailgun(key))
        }
        Shape::Template => template(endpoint, &path.key("template"), outside, report),
    }
}

/// Events have no place in the formats of others.
pub(super) fn check_events(list: &Option<List<Endpoint>>, path: &Path, report: &mut Report) {
    const REMEDY: &str = "can tell of mail alone; name an endpoint with format: json or cloudevents";
    let mute = |endpoint: &Endpoint| !matches!(shape(endpoint), Shape::Json | Shape::CloudEvents);
    for (at, endpoint) in items(list) {
        let path = path.index(at);
        if mute(endpoint) && endpoint.events.as_ref().is_some_and(|events| !events.is_empty()) {
            let name = name(shape(endpoint));
            report.add(&path.key("events"), format!("cannot be told: format: {name} {REMEDY}"));
        }
        let Some(told) = endpoint.on_dead_letter.as_ref().and_then(|told| told.endpoint.as_ref()) else { continue };
        let named = items(list).find(|(_, other)| other.name.as_ref() == Some(told));
        if let Some((_, other)) = named.filter(|(_, other)| mute(other)) {
            let name = name(shape(other));
            let text = format!("cannot be told of dead letters: its format: {name} {REMEDY}");
            report.add(&path.key("on_dead_letter").key("endpoint"), text);
        }
    }
}

fn template(endpoint: &Endpoint, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<Format> {
    let Some(written) = &endpoint.template else {
        report.missing(path, TEMPLATE_REMEDY);
        return None;
    };
    let content_type = written.content_type.as_deref().unwrap_or(JSON);
    if !content_type.contains('/') || HeaderValue::from_str(content_type).is_err() {
        report.add(&path.key("content_type"), format!("is no content type; write one such as {JSON}"));
    }
    let path = path.key("file");
    let file = required(&written.file, &path, "write the path of the template", report)?;
    let read =
        outside.file(std::path::Path::new(file)).map_err(|e| format!("cannot read {file}: {e}; create the file"));
    let bytes = noted(read, &path, report)?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{file} is not UTF-8; save it as such"));
    let text = noted(text, &path, report)?;
    let template = Template::new(text, content_type.to_owned()).map_err(|error| match error.line {
        Some(line) => format!("{file}:{line}: {error}"),
        None => format!("{file}: {error}"),
    });
    noted(template, &path, report).map(|template| Format::Template(Arc::new(template)))
}

pub(super) fn shape(endpoint: &Endpoint) -> Shape {
    or(&endpoint.format, Shape::Json)
}

pub(super) fn name(shape: Shape) -> &'static str {
    Shape::NAMES.iter().find(|(_, known)| *known == shape).map_or("json", |(name, _)| name)
}

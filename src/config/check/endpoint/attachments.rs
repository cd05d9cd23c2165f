//! How attachments travel to endpoints, and how large they may be.

use super::format::name;
use super::format::shape;
use crate::config::file::Endpoint;
use crate::config::list::List;
use crate::config::list::items;
use crate::config::names::Shape;
use crate::config::plain::Plain;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::units::Size;
use crate::deliver::Attachments;
use crate::deliver::Limits;
use crate::deliver::OnLarge;

/// How attachments travel: a template seldom asks for their bytes, so it gets them only if that is written.
pub(super) fn usual(endpoint: &Endpoint) -> Attachments {
    let usual = if shape(endpoint) == Shape::Template { Attachments::Omit } else { Attachments::Inline };
    or(&endpoint.attachments, usual)
}

/// How large they may be.
pub(super) fn limits(endpoint: &Endpoint) -> Limits {
    let bytes = |size: &Option<Plain<Size>>| size.as_ref().map(|Plain(Size(bytes))| *bytes);
    Limits {
        one: bytes(&endpoint.max_attachment_size),
        all: bytes(&endpoint.max_attachments_size),
        on_large: or(&endpoint.on_large_attachment, OnLarge::default()),
    }
}

/// What cannot be so, or has no effect.
pub(in crate::config::check) fn check(list: &Option<List<Endpoint>>, has_store: bool, report: &mut Report) {
    for (at, endpoint) in items(list) {
        let path = Path::default().key("endpoints").index(at);
        let usual = usual(endpoint);
        check_usual(endpoint, usual, &path, report);
        check_limits(endpoint, usual, &path, report);
        for (key, asks) in [
            ("attachments", usual == Attachments::Link),
            ("on_large_attachment", limits(endpoint).on_large == OnLarge::Link),
        ] {
            let path = path.key(key);
            if !asks || report.has(&path) {
                continue;
            }
            if !knows_links(shape(endpoint)) {
                let name = name(shape(endpoint));
                let remedy = "write another choice, or format: json, cloudevents, cloudmailin or template";
                report.add(&path, format!("cannot be link: format: {name} has no place for links; {remedy}"));
            } else if !has_store {
                report.add(&path, "needs attachment_store, which says where attachments lie; write that section");
            }
        }
    }
}

fn check_usual(endpoint: &Endpoint, usual: Attachments, path: &Path, report: &mut Report) {
    let (path, shape) = (path.key("attachments"), shape(endpoint));
    if endpoint.attachments.is_some() && shape == Shape::Raw {
        report.add(&path, "has no effect with format: raw, which is the whole mail; take it out");
    }
    if usual == Attachments::Multipart && !matches!(shape, Shape::Json | Shape::Raw) {
        let name = name(shape);
        report.add(&path, format!("multipart goes with format: json alone; {name} carries files in its own way"));
    }
}

fn check_limits(endpoint: &Endpoint, usual: Attachments, path: &Path, report: &mut Report) {
    let sizes = [
        ("max_attachment_size", endpoint.max_attachment_size.is_some()),
        ("max_attachments_size", endpoint.max_attachments_size.is_some()),
    ];
    let choice = ("on_large_attachment", endpoint.on_large_attachment.is_some());
    let all_written = sizes.iter().chain([&choice]).filter(|(_, written)| *written);
    let at = endpoint.name.as_ref().map(|name| format!(" at endpoint {name}")).unwrap_or_default();
    for (key, _) in all_written {
        if shape(endpoint) == Shape::Raw {
            let text = format!("has no effect with format: raw{at}, which is the whole mail; take it out");
            report.add(&path.key(key), text);
        } else if usual == Attachments::Omit {
            let text = format!("has no effect with attachments: omit{at}; take one of them out");
            report.add(&path.key(key), text);
        }
    }
    let path = path.key(choice.0);
    if choice.1 && !report.has(&path) {
        if sizes.iter().all(|(_, written)| !written) {
            let text = "has no effect without max_attachment_size or max_attachments_size";
            report.add(&path, format!("{text}{at}; write one of them"));
        } else if limits(endpoint).on_large == OnLarge::Link && usual == Attachments::Link {
            let text = "has no effect: all attachments are links";
            report.add(&path, format!("{text}{at}; write omit or refuse, or take it out"));
        }
    }
}

/// Whether a body of this shape has a place for the address of an attachment.
fn knows_links(shape: Shape) -> bool {
    match shape {
        Shape::Json | Shape::CloudEvents | Shape::Cloudmailin | Shape::Template => true,
        Shape::Raw | Shape::Postmark | Shape::Sendgrid | Shape::Mailgun => false,
    }
}

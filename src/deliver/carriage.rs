//! How each attachment of one mail travels: by what its endpoint asks for, and by how large it is. Pure.
//!
//! The limits count decoded bytes. Of a mail whose attachments are too large together, the first ones travel as usual, in
//! the mail's order, and each that no longer fits is a large one; a large one fills nothing, whatever becomes of it.

use super::Attachments;
use super::Limits;
use super::OnLarge;
use crate::parse::Attachment;

/// How one attachment travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Its bytes are in the body.
    Content,
    /// Its bytes are a file of the form.
    Multipart,
    /// Its bytes are in the attachment store.
    Linked(Link),
    /// Its bytes do not travel.
    Omitted(Omission),
}

/// A link that is signed, and needs no login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where the bytes can be fetched by GET.
    pub url: String,
    /// Until when, RFC 3339 in UTC.
    pub expires_at: String,
}

/// Why the bytes of an attachment do not travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omission {
    /// The endpoint gets none.
    Configured,
    /// It is larger than one may be.
    TooLarge,
    /// With those before it, it is more than all may be together.
    TooMuch,
}

impl Omission {
    /// What the payload says.
    pub fn as_str(self) -> &'static str {
        match self {
            Omission::Configured => "by configuration",
            Omission::TooLarge => "larger than max_attachment_size",
            Omission::TooMuch => "beyond max_attachments_size",
        }
    }
}

/// An attachment is larger than what the endpoint may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an attachment is {}", .0.as_str())]
pub struct TooLarge(pub Omission);

/// The way of each of `parts`, in their order; `link` signs a link to one.
///
/// # Errors
/// [`TooLarge`] where a large one is to be refused.
pub fn ways(
    parts: &[Attachment],
    (usual, limits): (Attachments, &Limits),
    link: impl Fn(&Attachment) -> Link,
) -> Result<Vec<Way>, TooLarge> {
    let mut so_far = 0_u64;
    let mut way = |part: &Attachment| {
        let size = part.content.size();
        let together = so_far.saturating_add(size);
        let over = if limits.one.is_some_and(|limit| size > limit) {
            Some(Omission::TooLarge)
        } else {
            limits.all.filter(|limit| together > *limit).map(|_| Omission::TooMuch)
        };
        match (usual, over, limits.on_large) {
            (Attachments::Omit, ..) => Ok(Way::Omitted(Omission::Configured)),
            (_, Some(why), OnLarge::Refuse) => Err(TooLarge(why)),
            (_, Some(why), OnLarge::Omit) => Ok(Way::Omitted(why)),
            (_, Some(_), OnLarge::Link) => Ok(Way::Linked(link(part))),
            (usual, None, _) => {
                so_far = together;
                Ok(match usual {
                    Attachments::Inline => Way::Content,
                    Attachments::Multipart => Way::Multipart,
                    Attachments::Link => Way::Linked(link(part)),
                    Attachments::Omit => Way::Omitted(Omission::Configured),
                })
            }
        }
    };
    parts.iter().map(&mut way).collect()
}

/// The way of each of `parts` where nothing limits them: in the body, or not at all.
pub fn unlimited(parts: &[Attachment], attachments: Attachments) -> Vec<Way> {
    let way = match attachments {
        Attachments::Inline => Way::Content,
        Attachments::Multipart => Way::Multipart,
        // Nobody is there who could sign a link.
        Attachments::Omit | Attachments::Link => Way::Omitted(Omission::Configured),
    };
    vec![way; parts.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    /// A mail with attachments of these sizes.
    fn mail(sizes: &[usize]) -> parse::Mail {
        let part = |size: &usize| format!("--b\r\nContent-Type: application/pdf\r\n\r\n{}\r\n", "x".repeat(*size));
        let parts: String = sizes.iter().map(part).collect();
        let raw = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n");
        parse::parse(raw.as_bytes(), &parse::Options::default())
    }

    fn link(part: &Attachment) -> Link {
        Link { url: part.part.clone(), expires_at: String::new() }
    }

    /// The ways of attachments of 5, 20, 5 and 10 bytes, one letter each: b(ody), f(ile), l(ink), o(mitted as always),
    /// s(ingle one too large), t(ogether too large); or why the mail is refused.
    fn check(
        attachments: Attachments,
        limits: (Option<u64>, Option<u64>),
        on_large: OnLarge,
        expected: Result<&str, Omission>,
    ) {
        let limits = Limits { one: limits.0, all: limits.1, on_large };
        let ways = ways(&mail(&[5, 20, 5, 10]).attachments, (attachments, &limits), link);
        let letter = |way: Way| match way {
            Way::Content => 'b',
            Way::Multipart => 'f',
            Way::Linked(_) => 'l',
            Way::Omitted(Omission::Configured) => 'o',
            Way::Omitted(Omission::TooLarge) => 's',
            Way::Omitted(Omission::TooMuch) => 't',
        };
        let found = ways.map(|ways| ways.into_iter().map(letter).collect::<String>());
        let expected = expected.map(str::to_owned).map_err(TooLarge);
        assert_eq!(found, expected, "{attachments:?} {limits:?}");
    }

    #[test]
    fn without_limits_all_go_as_the_endpoint_asks() {
        for on_large in [OnLarge::Link, OnLarge::Omit, OnLarge::Refuse] {
            check(Attachments::Inline, (None, None), on_large, Ok("bbbb"));
            check(Attachments::Multipart, (None, None), on_large, Ok("ffff"));
            check(Attachments::Link, (None, None), on_large, Ok("llll"));
            check(Attachments::Omit, (None, None), on_large, Ok("oooo"));
        }
    }

    #[test]
    fn one_that_is_exactly_as_large_as_the_limit_goes_and_a_larger_one_does_not() {
        check(Attachments::Inline, (Some(20), None), OnLarge::Omit, Ok("bbbb"));
        check(Attachments::Inline, (Some(19), None), OnLarge::Omit, Ok("bsbb"));
        check(Attachments::Multipart, (Some(19), None), OnLarge::Link, Ok("flff"));
        check(Attachments::Link, (Some(19), None), OnLarge::Omit, Ok("lsll"));
        check(Attachments::Inline, (Some(19), None), OnLarge::Refuse, Err(Omission::TooLarge));
        check(Attachments::Inline, (Some(0), None), OnLarge::Omit, Ok("ssss"));
        check(Attachments::Omit, (Some(0), Some(0)), OnLarge::Refuse, Ok("oooo"));
    }

    #[test]
    fn of_those_that_are_too_large_together_the_first_go_and_what_does_not_go_fills_nothing() {
        check(Attachments::Inline, (None, Some(40)), OnLarge::Omit, Ok("bbbb"));
        check(Attachments::Inline, (None, Some(39)), OnLarge::Omit, Ok("bbbt"));
        check(Attachments::Inline, (None, Some(20)), OnLarge::Omit, Ok("btbb"));
        check(Attachments::Inline, (None, Some(19)), OnLarge::Link, Ok("blbl"));
        check(Attachments::Multipart, (Some(19), Some(20)), OnLarge::Omit, Ok("fsff"));
        check(Attachments::Inline, (None, Some(39)), OnLarge::Refuse, Err(Omission::TooMuch));
        check(Attachments::Inline, (Some(10), Some(10)), OnLarge::Refuse, Err(Omission::TooLarge));
    }
}

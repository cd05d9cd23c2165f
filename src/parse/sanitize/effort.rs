//! How much work a document makes for an HTML parser.
//!
//! The parser follows the standard, and the standard has every new paragraph repeat the formatting that is still open,
//! every tag search what it stands in, and every attribute be compared with its neighbours. So a megabyte can ask for
//! years. Here the same parser runs on a tree that keeps nothing and counts what it is asked; it is fed little by
//! little, and not fed any more once that is too much. WHATWG HTML section 13.2.6.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use html5ever::Attribute;
use html5ever::ParseOpts;
use html5ever::QualName;
use html5ever::interface::ElementFlags;
use html5ever::interface::NodeOrText;
use html5ever::interface::QuirksMode;
use html5ever::interface::TreeSink;
use html5ever::local_name;
use html5ever::ns;
use html5ever::parse_fragment;
use html5ever::tendril::StrTendril;
use html5ever::tendril::TendrilSink as _;

/// Questions that the tree may be asked; an element counts as many.
const WORK_MAX: u64 = 20_000_000;
/// What an element costs, and each of its attributes.
const ELEMENT: u64 = 100;
/// Bytes that are fed at once. Little, so that what they ask for stays little.
const FEED: usize = 64;
/// Bytes that may separate attributes, in a stretch of which the parser makes no element and no text.
const SEPARATORS_MAX: usize = 16_384;

/// Whether `html` can be parsed in reasonable time, whatever it is.
pub(super) fn is_bounded(html: &str) -> bool {
    let context = QualName::new(None, ns!(html), local_name!("div"));
    // As ammonia parses it.
    let mut parser = parse_fragment(Counting::default(), ParseOpts::default(), context, Vec::new(), false);
    let mut rest = html;
    let (mut work, mut separators) = (0, 0);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.floor_char_boundary(FEED));
        parser.process(StrTendril::from(now));
        let done = parser.tokenizer.sink.sink.work.get();
        if done != work {
            separators = 0;
        }
        separators += now.bytes().filter(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'"' | b'\'')).count();
        if done > WORK_MAX || separators > SEPARATORS_MAX {
            return false;
        }
        (work, rest) = (done, later);
    }
    true
}

/// A tree that keeps nothing but the names of its elements, and counts what it is asked.
#[derive(Debug, Default)]
struct Counting {
    work: Cell<u64>,
}

impl Counting {
    fn count(&self, work: u64) {
        self.work.set(self.work.get().saturating_add(work));
    }

    fn node(&self, name: QualName) -> Rc<QualName> {
        self.count(ELEMENT);
        Rc::new(name)
    }

    fn nameless(&self) -> Rc<QualName> {
        self.node(QualName::new(None, ns!(), local_name!("")))
    }
}

impl TreeSink for Counting {
    type Handle = Rc<QualName>;
    type Output = ();
    type ElemName<'a> = &'a QualName;

    fn finish(self) {}

    // Not counted: it comes in the middle of a tag, too.
    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Rc<QualName> {
        self.nameless()
    }

    fn elem_name<'a>(&'a self, target: &'a Rc<QualName>) -> &'a QualName {
        self.count(1);
        target
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> Rc<QualName> {
        self.count(ELEMENT.saturating_mul(attributes.len().try_into().unwrap_or(u64::MAX)));
        self.node(name)
    }

    fn create_comment(&self, _: StrTendril) -> Rc<QualName> {
        self.nameless()
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Rc<QualName> {
        self.nameless()
    }

    fn append(&self, _: &Rc<QualName>, _: NodeOrText<Rc<QualName>>) {
        self.count(1);
    }

    fn append_based_on_parent_node(&self, _: &Rc<QualName>, _: &Rc<QualName>, _: NodeOrText<Rc<QualName>>) {
        self.count(1);
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {
        self.count(1);
    }

    fn get_template_contents(&self, target: &Rc<QualName>) -> Rc<QualName> {
        self.count(1);
        Rc::clone(target)
    }

    fn same_node(&self, one: &Rc<QualName>, other: &Rc<QualName>) -> bool {
        self.count(1);
        Rc::ptr_eq(one, other)
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, _: &Rc<QualName>, _: NodeOrText<Rc<QualName>>) {
        self.count(1);
    }

    fn add_attrs_if_missing(&self, _: &Rc<QualName>, attributes: Vec<Attribute>) {
        self.count(ELEMENT.saturating_mul(attributes.len().try_into().unwrap_or(u64::MAX)));
    }

    fn remove_from_parent(&self, _: &Rc<QualName>) {
        self.count(1);
    }

    fn reparent_children(&self, _: &Rc<QualName>, _: &Rc<QualName>) {
        self.count(1);
    }
}

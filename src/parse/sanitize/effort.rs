//! How much work a document makes for an HTML parser.
//!
//! The parser follows the standard, and the standard has every new paragraph repeat the formatting that is still open,
//! every tag search what it stands in, and formatting and attributes be compared with their neighbours. So a megabyte can ask for
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
/// What a comparison of two formatting elements costs, and one of an attribute of theirs.
const COMPARISON: u64 = 10;
/// The names of formatting elements.
const FORMATTING: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
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

/// A tree that keeps nothing, and counts what it is asked.
#[derive(Debug, Default)]
struct Counting {
    work: Cell<u64>,
    /// The formatting elements that the parser has not done with. It compares a new one with each.
    formatting: Rc<Cell<u64>>,
}

/// An element, for as long as the parser remembers it.
#[derive(Debug)]
struct Node {
    name: QualName,
    /// Where it is counted, if it is a formatting element.
    formatting: Option<Rc<Cell<u64>>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(formatting) = &self.formatting {
            formatting.set(formatting.get().saturating_sub(1));
        }
    }
}

impl Counting {
    fn count(&self, work: u64) {
        self.work.set(self.work.get().saturating_add(work));
    }

    fn count_attributes(&self, attributes: &[Attribute]) -> u64 {
        let attributes = attributes.len().try_into().unwrap_or(u64::MAX);
        self.count(ELEMENT.saturating_mul(attributes));
        attributes
    }

    fn nameless(&self) -> Rc<Node> {
        self.count(ELEMENT);
        Rc::new(Node { name: QualName::new(None, ns!(), local_name!("")), formatting: None })
    }
}

impl TreeSink for Counting {
    type Handle = Rc<Node>;
    type Output = ();
    type ElemName<'a> = &'a QualName;

    fn finish(self) {}

    // Not counted: it comes in the middle of a tag, too.
    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Rc<Node> {
        self.nameless()
    }

    fn elem_name<'a>(&'a self, target: &'a Rc<Node>) -> &'a QualName {
        self.count(1);
        &target.name
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> Rc<Node> {
        let attributes = self.count_attributes(&attributes);
        self.count(ELEMENT);
        let formatting = FORMATTING.contains(&&*name.local).then(|| {
            let others = self.formatting.get();
            self.count(others.saturating_mul(COMPARISON).saturating_mul(attributes.saturating_add(1)));
            self.formatting.set(others.saturating_add(1));
            Rc::clone(&self.formatting)
        });
        Rc::new(Node { name, formatting })
    }

    fn create_comment(&self, _: StrTendril) -> Rc<Node> {
        self.nameless()
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Rc<Node> {
        self.nameless()
    }

    fn append(&self, _: &Rc<Node>, _: NodeOrText<Rc<Node>>) {
        self.count(1);
    }

    fn append_based_on_parent_node(&self, _: &Rc<Node>, _: &Rc<Node>, _: NodeOrText<Rc<Node>>) {
        self.count(1);
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {
        self.count(1);
    }

    fn get_template_contents(&self, target: &Rc<Node>) -> Rc<Node> {
        self.count(1);
        Rc::clone(target)
    }

    fn same_node(&self, one: &Rc<Node>, other: &Rc<Node>) -> bool {
        self.count(1);
        Rc::ptr_eq(one, other)
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, _: &Rc<Node>, _: NodeOrText<Rc<Node>>) {
        self.count(1);
    }

    fn add_attrs_if_missing(&self, _: &Rc<Node>, attributes: Vec<Attribute>) {
        self.count_attributes(&attributes);
    }

    fn remove_from_parent(&self, _: &Rc<Node>) {
        self.count(1);
    }

    fn reparent_children(&self, _: &Rc<Node>, _: &Rc<Node>) {
        self.count(1);
    }
}

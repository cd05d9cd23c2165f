//! A post that is a form: its fields and files, as `attachments: multipart` and the vendors' formats send them.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use multer::Multipart;
use serde_json::Value;
use serde_json::json;

/// A form, as far as a person wants to know it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// Its fields and files, in their order.
    pub(super) parts: Vec<Part>,
    /// The first field that holds a JSON object: its name, and the object.
    pub(super) payload: Option<(String, Value)>,
}

/// A field or a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The field's name.
    pub(super) name: String,
    /// The file's, where it is one.
    pub(super) file_name: Option<String>,
    /// What it says that it is.
    pub(super) content_type: Option<String>,
    /// Bytes.
    pub(super) size: usize,
}

/// Reads `body` where `headers` say that it is a form; `None` where they do not.
///
/// # Errors
/// Why it cannot be read as one.
pub(super) async fn read(headers: &HeaderMap, body: &[u8]) -> Option<Result<Form, multer::Error>> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        return None;
    }
    Some(parts(content_type, body).await)
}

async fn parts(content_type: &str, body: &[u8]) -> Result<Form, multer::Error> {
    let mut fields = Multipart::with_reader(body, multer::parse_boundary(content_type)?);
    let mut form = Form::default();
    while let Some(field) = fields.next_field().await? {
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let content_type = field.content_type().map(ToString::to_string);
        let bytes = field.bytes().await?;
        if form.payload.is_none() && file_name.is_none() {
            let object = serde_json::from_slice(&bytes).ok().filter(Value::is_object);
            form.payload = object.map(|object| (name.clone(), object));
        }
        form.parts.push(Part { name, file_name, content_type, size: bytes.len() });
    }
    Ok(form)
}

impl Form {
    /// The form as one JSON object: what its parts are, and the JSON that one of them holds.
    pub(super) fn as_json(&self) -> Value {
        let part = |part: &Part| {
            let Part { name, file_name, content_type, size } = part;
            json!({ "name": name, "file_name": file_name, "content_type": content_type, "size": size })
        };
        let parts: Vec<Value> = self.parts.iter().map(part).collect();
        let (field, payload) = self.payload.as_ref().map(|(field, payload)| (field, payload)).unzip();
        json!({ "form": parts, "json_field": field, "json": payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(content_type: &str) -> HeaderMap {
        [(CONTENT_TYPE, content_type.parse().unwrap())].into_iter().collect()
    }

    const BODY: &str = "--b\r\ncontent-disposition: form-data; name=\"payload\"\r\ncontent-type: application/json\r\n\r\n\
        {\"type\":\"mail.received\"}\r\n--b\r\n\
        content-disposition: form-data; name=\"attachment-1\"; filename=\"x.pdf\"\r\ncontent-type: application/pdf\r\n\r\n\
        %PDF\r\n--b--\r\n";

    #[tokio::test]
    async fn a_form_is_read_with_the_names_types_and_sizes_of_its_parts() {
        let form = read(&headers("multipart/form-data; boundary=b"), BODY.as_bytes()).await.unwrap().unwrap();
        let shown = form.as_json();
        assert_eq!(shown["json_field"], "payload");
        assert_eq!(shown["json"], json!({ "type": "mail.received" }));
        let file =
            json!({ "name": "attachment-1", "file_name": "x.pdf", "content_type": "application/pdf", "size": 4 });
        assert_eq!((shown["form"][0]["size"].as_u64(), &shown["form"][1]), (Some(24), &file));
    }

    #[tokio::test]
    async fn what_is_no_form_is_not_read_as_one_and_a_broken_one_is_told() {
        assert!(read(&headers("application/json"), b"{}").await.is_none());
        assert!(read(&HeaderMap::new(), b"{}").await.is_none());
        assert!(read(&headers("multipart/form-data"), b"").await.unwrap().is_err());
        let half = &BODY.as_bytes()[..100];
        assert!(read(&headers("multipart/form-data; boundary=b"), half).await.unwrap().is_err());
    }
}

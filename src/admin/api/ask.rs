//! What requests hold. What cannot be read is answered with a sentence, and a key that is not known is no slip to pass over.

use axum::extract::FromRequest;
use axum::extract::FromRequestParts;
use axum::extract::Path;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::Deserialize as _;
use serde::Deserializer;
use serde::de::DeserializeOwned;
use serde::de::Error as _;

use super::problem::Problem;
use crate::admin::body;
use crate::admin::body::Lost;

/// What stands in the path.
#[derive(Debug)]
pub(super) struct At<T>(pub(super) T);

/// What stands behind the question mark.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

/// What the body says.
#[derive(Debug)]
pub(super) struct Said<T>(pub(super) T);

/// A value of a query that is written: an empty one is a value, too, and mostly a wrong one.
pub(super) fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    String::deserialize(value).map(Some)
}

/// An object within a body; a list of its values in their order, which serde would take as well, is none.
pub(super) fn object<'de, T: DeserializeOwned, D: Deserializer<'de>>(value: D) -> Result<T, D::Error> {
    let object = serde_json::Map::deserialize(value)?;
    T::deserialize(serde_json::Value::Object(object)).map_err(D::Error::custom)
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<At<T>, Problem> {
        // Only what is no UTF-8, or no number where one is wanted: nothing has such a name.
        let found = Path::<T>::from_request_parts(parts, state).await;
        found.map(|Path(found)| At(found)).map_err(|_| Problem::unknown("Nothing has such a name."))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked<T>, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let asked = serde_html_form::from_str(query);
        asked.map(Asked).map_err(|error| Problem::bad_request(format!("The query cannot be read: {error}.")))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Said<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Said<T>, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Problem::no_json());
        }
        let bytes = body::whole(request).await.map_err(|lost| match lost {
            Lost::TooLarge => Problem::too_large(),
            Lost::TooSlow => Problem::too_slow(),
            Lost::Cut => Problem::bad_request("The body did not arrive whole."),
        })?;
        let value: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|error| Problem::bad_request(format!("The body is no JSON: {error}.")))?;
        if !value.is_object() {
            return Err(Problem::wrong_body("The body is no object: write { … }."));
        }
        serde_path_to_error::deserialize(value)
            .map(Said)
            .map_err(|error| Problem::wrong_body(format!("The body is not understood at {error}.")))
    }
}

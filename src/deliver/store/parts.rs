//! How content gets to the store: at once, or in parts where it is large.
//!
//! Parts are decoded on a thread of their own while those before them are on their way, so that of a large attachment no
//! more than three are in memory. They become an object when all of them are there: no receiver sees a half.

use std::mem;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use object_store::Attributes;
use object_store::MultipartUpload;
use object_store::ObjectStore as _;
use object_store::PutMultipartOptions;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use tokio::task::JoinSet;

use super::verdict::Fault;
use super::verdict::Refusal;
use crate::deliver::Failure;
use crate::deliver::body::Body;
use crate::deliver::body::Rendering;
use crate::deliver::upload::Upload;
use crate::parse::Content;

/// Larger content goes in parts of so many bytes. S3 wants 5 MiB at least, some stores equal ones, and all of them
/// 10 000 at most. A multiple of the pieces that [`Upload`] gives.
pub(super) const PART: usize = 8 << 20;
/// Parts on their way at once, at most.
const AT_ONCE: usize = 2;
/// Content that is not larger is decoded at once: a thread of its own costs more.
const SMALL: u64 = 64 << 10;

type UnderWay = JoinSet<object_store::Result<()>>;

/// Whether content of so many bytes goes in parts.
pub(super) fn is_large(size: u64) -> bool {
    !usize::try_from(size).is_ok_and(|size| size <= PART)
}

/// All of it in memory, for what is not large.
pub(super) async fn decoded(content: &Content) -> Result<Bytes, Failure> {
    if content.size() <= SMALL {
        return Ok(content.bytes());
    }
    let content = content.clone();
    tokio::task::spawn_blocking(move || content.bytes()).await.map_err(|_| Failure::Render)
}

/// Puts `content` there in parts. If that fails, those that are there already are given up.
pub(super) async fn put(
    bucket: &AmazonS3,
    path: &Path,
    content: &Content,
    attributes: Attributes,
) -> Result<(), Fault> {
    let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
    let begun = bucket.put_multipart_opts(path, options).await;
    let mut upload = begun.map_err(|error| Refusal::of(&error).fault())?;
    let mut under_way = UnderWay::new();
    let sent = send(upload.as_mut(), &mut under_way, content).await;
    if sent.is_err() {
        // What landed later would not be given up with the rest.
        while under_way.join_next().await.is_some() {}
        // If not even that is heard, a rule of the bucket lets them go.
        drop(upload.abort().await);
    }
    sent
}

async fn send(upload: &mut dyn MultipartUpload, under_way: &mut UnderWay, content: &Content) -> Result<(), Fault> {
    let mut coming = Upload::new(&written(content)).0;
    let mut part = Vec::with_capacity(PART);
    while let Some(frame) = coming.frame().await {
        let piece = frame.ok().and_then(|frame| frame.into_data().ok()).ok_or(Failure::Render)?;
        part.extend_from_slice(&piece);
        if part.len() >= PART {
            let full = mem::replace(&mut part, Vec::with_capacity(PART));
            go(upload, under_way, full).await?;
        }
    }
    if !part.is_empty() {
        go(upload, under_way, part).await?;
    }
    while !under_way.is_empty() {
        landed(under_way).await?;
    }
    upload.complete().await.map(drop).map_err(|error| Refusal::of(&error).fault())
}

/// Lets a part go as soon as there is room on the way.
async fn go(upload: &mut dyn MultipartUpload, under_way: &mut UnderWay, part: Vec<u8>) -> Result<(), Fault> {
    if under_way.len() >= AT_ONCE {
        landed(under_way).await?;
    }
    under_way.spawn(upload.put_part(part.into()));
    Ok(())
}

/// Waits for one of the parts.
async fn landed(under_way: &mut UnderWay) -> Result<(), Fault> {
    match under_way.join_next().await {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(Refusal::of(&error).fault()),
        // It crashed.
        Some(Err(_)) => Err(Failure::Render.into()),
    }
}

fn written(content: &Content) -> Body {
    let (size, content) = (content.size(), content.clone());
    Body::Written { rendering: Rendering::new(move |out| content.write_to(out)), size, compressed: false }
}

//! A page of a MongoDB collection, for the services' copies.

use mongodb::bson::Document;

use super::record::RecordPage;
use crate::mongodb::{Documents, find, find_strange, unknown_id};
use crate::problem::StoreError;

/// The documents of a page, and the page that their records go into. The first page reports the
/// documents whose `_id` is not text.
///
/// # Errors
/// The collection cannot be read.
pub async fn read_collection(
    documents: &Documents,
    after: Option<&str>,
) -> Result<(Vec<Document>, RecordPage), StoreError> {
    let (found, next) = find(documents, after).await?;
    let mut page = RecordPage {
        next,
        ..RecordPage::default()
    };
    if after.is_none() {
        for name in find_strange(documents).await? {
            page.add(name, Err(unknown_id()));
        }
    }
    Ok((found, page))
}

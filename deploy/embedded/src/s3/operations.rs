//! The operations of S3 over our buckets.

use std::collections::BTreeMap;
use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use super::bucket::{Bucket, Condition, Refusal};
use super::buckets::Buckets;
use super::checksum::{self, Algorithm};
use super::conditions::{ReadCondition, condition};
use super::listing;
use super::paging::{KeyEncoder, MAX_KEYS, after_of, max_keys, token_of};
use super::tags::{tag_count, tags, tags_of_header};
use super::upload::{encryption, metadata, receive};

/// S3's content type of an object that was put without one.
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// The embedded S3.
pub(super) struct Operations(pub Arc<Buckets>);

#[async_trait::async_trait]
impl S3 for Operations {
    async fn list_buckets(
        &self,
        _: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self
            .0
            .all()
            .into_iter()
            .map(|(name, bucket)| s3s::dto::Bucket {
                name: Some(name),
                creation_date: Some(bucket.created.into()),
                ..Default::default()
            });
        answer(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            ..Default::default()
        })
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let name = request.input.bucket;
        let location = format!("/{name}");
        let buckets = self.0.clone();
        let new = blocking(move || Ok(buckets.create(&name)?)).await?;
        if !new {
            return Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            ));
        }
        answer(CreateBucketOutput {
            location: Some(location),
        })
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.get(&request.input.bucket)?;
        answer(HeadBucketOutput {
            bucket_region: request.region.map(|region| region.as_str().to_owned()),
            ..Default::default()
        })
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.0.get(&request.input.bucket)?;
        // us-east-1 is empty in this answer.
        let region = request
            .region
            .filter(|region| region.as_str() != "us-east-1");
        answer(GetBucketLocationOutput {
            location_constraint: region
                .map(|region| BucketLocationConstraint::from(region.as_str().to_owned())),
        })
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        self.0.get(&request.input.bucket)?;
        answer(GetBucketVersioningOutput {
            status: Some(BucketVersioningStatus::from_static(
                BucketVersioningStatus::ENABLED,
            )),
            ..Default::default()
        })
    }

    async fn get_bucket_encryption(
        &self,
        request: S3Request<GetBucketEncryptionInput>,
    ) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
        self.0.get(&request.input.bucket)?;
        let by_default = ServerSideEncryptionByDefault {
            kms_master_key_id: None,
            sse_algorithm: ServerSideEncryption::from_static(ServerSideEncryption::AES256),
        };
        let rule = ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(by_default),
            bucket_key_enabled: Some(false),
        };
        answer(GetBucketEncryptionOutput {
            server_side_encryption_configuration: Some(ServerSideEncryptionConfiguration {
                rules: vec![rule],
            }),
        })
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let bucket = self.0.get(&request.input.bucket)?;
        let key = request.input.key.clone();
        let (if_none_match, if_match) = (
            request.input.if_none_match.clone(),
            request.input.if_match.clone(),
        );
        let condition = condition(if_none_match, if_match)?;
        let (object, body) = receive(request).await?;
        let (head, object) = blocking(move || {
            let head = bucket.put(key, object.clone(), &body, &condition)?;
            Ok((head, object))
        })
        .await?;
        let sum = |algorithm| checksum::Checksum::value_of(object.checksum.as_ref(), algorithm);
        answer(PutObjectOutput {
            checksum_crc32: sum(Algorithm::Crc32),
            checksum_crc32c: sum(Algorithm::Crc32c),
            checksum_crc64nvme: sum(Algorithm::Crc64nvme),
            checksum_sha1: sum(Algorithm::Sha1),
            checksum_sha256: sum(Algorithm::Sha256),
            checksum_type: Some(full_object()),
            e_tag: Some(ETag::Strong(object.etag)),
            server_side_encryption: Some(object.encryption.into()),
            version_id: Some(head.version),
            ..Default::default()
        })
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let CopySource::Bucket {
            bucket: from,
            key: from_key,
            version_id,
        } = input.copy_source
        else {
            return Err(s3_error!(
                NotImplemented,
                "Copy from access points is not implemented"
            ));
        };
        if input.copy_source_if_match.is_some()
            || input.copy_source_if_none_match.is_some()
            || input.copy_source_if_modified_since.is_some()
            || input.copy_source_if_unmodified_since.is_some()
        {
            return Err(s3_error!(
                NotImplemented,
                "Conditional copies are not implemented"
            ));
        }
        let (from, to) = (self.0.get(&from)?, self.0.get(&input.bucket)?);
        let replaces = |directive: Option<&str>| directive == Some("REPLACE");
        let new_metadata = replaces(input.metadata_directive.as_ref().map(|it| it.as_str()))
            .then(|| metadata(input.metadata))
            .transpose()?;
        let new_tags = replaces(input.tagging_directive.as_ref().map(|it| it.as_str()))
            .then(|| tags_of_header(input.tagging.as_deref()))
            .transpose()?;
        let encryption = encryption(input.server_side_encryption.as_ref())?;
        let (source, head) = blocking(move || {
            let (source, mut object, body) = from.read(&from_key, version_id.as_deref())?;
            object.encryption = encryption;
            if let Some(metadata) = new_metadata {
                object.metadata = metadata;
                object.content_type = input.content_type;
                object.cache_control = input.cache_control;
                object.content_disposition = input.content_disposition;
                object.content_encoding = input.content_encoding;
                object.content_language = input.content_language;
            }
            if let Some(tags) = new_tags {
                object.tags = tags;
            }
            let head = to.put(input.key, object, &body, &Condition::Unconditional)?;
            Ok((source, head))
        })
        .await?;
        let object = head.object().cloned().unwrap_or_default();
        answer(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: Some(ETag::Strong(object.etag)),
                last_modified: Some(head.modified.into()),
                ..Default::default()
            }),
            copy_source_version_id: Some(source.version),
            server_side_encryption: Some(object.encryption.into()),
            version_id: Some(head.version),
            ..Default::default()
        })
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let bucket = self.0.get(&input.bucket)?;
        let (head, object, body) =
            blocking(move || bucket.read(&input.key, input.version_id.as_deref())).await?;
        ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        }
        .check(&head, &object)?;
        let part = input
            .range
            .map(|range| range.check(object.size))
            .transpose()?;
        let (body, content_range) = match part {
            None => (body, None),
            Some(part) => {
                let text = format!("bytes {}-{}/{}", part.start, part.end - 1, object.size);
                // The body was in memory as a whole, so its length fits.
                (
                    body.slice(part.start as usize..part.end as usize),
                    Some(text),
                )
            }
        };
        let partial = content_range.is_some();
        // A checksum is that of the whole body.
        let asked = asks_for_checksum(input.checksum_mode.as_ref()) && !partial;
        let sum = |algorithm| {
            checksum::Checksum::value_of(object.checksum.as_ref().filter(|_| asked), algorithm)
        };
        let output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            checksum_crc32: sum(Algorithm::Crc32),
            checksum_crc32c: sum(Algorithm::Crc32c),
            checksum_crc64nvme: sum(Algorithm::Crc64nvme),
            checksum_sha1: sum(Algorithm::Sha1),
            checksum_sha256: sum(Algorithm::Sha256),
            checksum_type: asked.then(full_object),
            content_length: Some(body.len() as i64),
            content_range,
            body: Some(StreamingBlob::from(s3s::Body::from(body))),
            content_type: Some(
                object
                    .content_type
                    .unwrap_or(DEFAULT_CONTENT_TYPE.to_owned()),
            ),
            cache_control: object.cache_control,
            content_disposition: object.content_disposition,
            content_encoding: object.content_encoding,
            content_language: object.content_language,
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(head.modified.into()),
            metadata: some_metadata(object.metadata),
            server_side_encryption: Some(object.encryption.into()),
            tag_count: tag_count(&object.tags),
            version_id: Some(head.version),
            ..Default::default()
        };
        let mut response = S3Response::new(output);
        if partial {
            response.status = Some(http::StatusCode::PARTIAL_CONTENT);
        }
        Ok(response)
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let bucket = self.0.get(&input.bucket)?;
        let (head, object) =
            blocking(move || bucket.head(&input.key, input.version_id.as_deref())).await?;
        ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        }
        .check(&head, &object)?;
        let asked = asks_for_checksum(input.checksum_mode.as_ref());
        let sum = |algorithm| {
            checksum::Checksum::value_of(object.checksum.as_ref().filter(|_| asked), algorithm)
        };
        answer(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            checksum_crc32: sum(Algorithm::Crc32),
            checksum_crc32c: sum(Algorithm::Crc32c),
            checksum_crc64nvme: sum(Algorithm::Crc64nvme),
            checksum_sha1: sum(Algorithm::Sha1),
            checksum_sha256: sum(Algorithm::Sha256),
            checksum_type: asked.then(full_object),
            content_length: Some(object.size as i64),
            content_type: Some(
                object
                    .content_type
                    .unwrap_or(DEFAULT_CONTENT_TYPE.to_owned()),
            ),
            cache_control: object.cache_control,
            content_disposition: object.content_disposition,
            content_encoding: object.content_encoding,
            content_language: object.content_language,
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(head.modified.into()),
            metadata: some_metadata(object.metadata),
            server_side_encryption: Some(object.encryption.into()),
            version_id: Some(head.version),
            ..Default::default()
        })
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let bucket = self.0.get(&input.bucket)?;
        let condition = condition(None, input.if_match)?;
        let deleted =
            blocking(move || delete(&bucket, input.key, input.version_id, &condition)).await?;
        answer(DeleteObjectOutput {
            delete_marker: deleted.delete_marker,
            version_id: deleted.delete_marker_version_id.or(deleted.version_id),
            ..Default::default()
        })
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        let bucket = self.0.get(&input.bucket)?;
        if input.delete.objects.len() > MAX_KEYS as usize {
            return Err(s3_error!(
                MalformedXML,
                "At most 1000 objects can be deleted at once"
            ));
        }
        let quiet = input.delete.quiet == Some(true);
        let (deleted, errors) = blocking(move || {
            let (mut deleted, mut errors) = (Vec::new(), Vec::new());
            for object in input.delete.objects {
                let named = (object.key.clone(), object.version_id.clone());
                let condition = match object.e_tag {
                    Some(etag) => Condition::Matches(ETagCondition::ETag(etag)),
                    None => Condition::Unconditional,
                };
                match delete(&bucket, object.key, object.version_id, &condition) {
                    Ok(done) => deleted.push(done),
                    Err(refusal) => {
                        let error = S3Error::from(refusal);
                        errors.push(s3s::dto::Error {
                            code: Some(error.code().as_str().to_owned()),
                            key: Some(named.0),
                            message: error.message().map(str::to_owned),
                            version_id: named.1,
                        });
                    }
                }
            }
            Ok((deleted, errors))
        })
        .await?;
        answer(DeleteObjectsOutput {
            deleted: (!quiet).then_some(deleted),
            errors: (!errors.is_empty()).then_some(errors),
            ..Default::default()
        })
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        let bucket = self.0.get(&input.bucket)?;
        let max_keys = max_keys(input.max_keys)?;
        let encoder = KeyEncoder::new(input.encoding_type.as_ref());
        let query = listing::Query {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after: input.marker.clone(),
            after_version: None,
            limit: max_keys as usize,
        };
        let page = blocking(move || Ok(listing::objects(&bucket, &query)?)).await?;
        answer(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: input.prefix.map(|prefix| encoder.encode(prefix)),
            marker: Some(encoder.encode(input.marker.unwrap_or_default())),
            max_keys: Some(max_keys),
            is_truncated: Some(page.next.is_some()),
            next_marker: page.next.map(|next| encoder.encode(next.key)),
            common_prefixes: encoder.prefixes(page.prefixes),
            contents: Some(encoder.objects(page.versions)),
            delimiter: input.delimiter,
            encoding_type: input.encoding_type,
            ..Default::default()
        })
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let bucket = self.0.get(&input.bucket)?;
        let max_keys = max_keys(input.max_keys)?;
        let encoder = KeyEncoder::new(input.encoding_type.as_ref());
        let after = match &input.continuation_token {
            Some(token) => Some(after_of(token)?),
            None => input.start_after.clone(),
        };
        let query = listing::Query {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after,
            after_version: None,
            limit: max_keys as usize,
        };
        let page = blocking(move || Ok(listing::objects(&bucket, &query)?)).await?;
        let count = page.versions.len() + page.prefixes.len();
        answer(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encoder.encode(input.prefix.unwrap_or_default())),
            max_keys: Some(max_keys),
            key_count: Some(count as i32),
            continuation_token: input.continuation_token,
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|next| token_of(&next.key)),
            common_prefixes: encoder.prefixes(page.prefixes),
            contents: Some(encoder.objects(page.versions)),
            delimiter: input.delimiter,
            encoding_type: input.encoding_type,
            start_after: input.start_after.map(|after| encoder.encode(after)),
            ..Default::default()
        })
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = request.input;
        let bucket = self.0.get(&input.bucket)?;
        let max_keys = max_keys(input.max_keys)?;
        let encoder = KeyEncoder::new(input.encoding_type.as_ref());
        let query = listing::Query {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after: input.key_marker.clone(),
            after_version: input.version_id_marker.clone(),
            limit: max_keys as usize,
        };
        let page = blocking(move || Ok(listing::versions(&bucket, &query)?)).await?;
        let (versions, markers) = encoder.versions(page.versions);
        answer(ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: Some(encoder.encode(input.prefix.unwrap_or_default())),
            key_marker: Some(encoder.encode(input.key_marker.unwrap_or_default())),
            version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
            max_keys: Some(max_keys),
            is_truncated: Some(page.next.is_some()),
            next_key_marker: page.next.clone().map(|next| encoder.encode(next.key)),
            next_version_id_marker: page.next.and_then(|next| next.version),
            delete_markers: Some(markers),
            versions: Some(versions),
            common_prefixes: encoder.prefixes(page.prefixes),
            delimiter: input.delimiter,
            encoding_type: input.encoding_type,
            ..Default::default()
        })
    }

    async fn get_object_tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let input = request.input;
        let bucket = self.0.get(&input.bucket)?;
        let (head, object) =
            blocking(move || bucket.head(&input.key, input.version_id.as_deref())).await?;
        let tag_set = object.tags.into_iter().map(|(key, value)| Tag {
            key: Some(key),
            value: Some(value),
        });
        answer(GetObjectTaggingOutput {
            tag_set: tag_set.collect(),
            version_id: Some(head.version),
        })
    }

    async fn put_object_tagging(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        let input = request.input;
        let bucket = self.0.get(&input.bucket)?;
        let given = input.tagging.tag_set.into_iter();
        let tags =
            tags(given.map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())))?;
        let version =
            blocking(move || bucket.tag(&input.key, input.version_id.as_deref(), tags)).await?;
        answer(PutObjectTaggingOutput {
            version_id: Some(version),
        })
    }

    async fn delete_object_tagging(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        let input = request.input;
        let bucket = self.0.get(&input.bucket)?;
        let version =
            blocking(move || bucket.tag(&input.key, input.version_id.as_deref(), BTreeMap::new()))
                .await?;
        answer(DeleteObjectTaggingOutput {
            version_id: Some(version),
        })
    }
}

fn answer<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

/// Runs blocking disk work on a thread for blocking work.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(s3_error!(error, InternalError)),
    }
}

fn asks_for_checksum(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED)
}

fn full_object() -> ChecksumType {
    ChecksumType::from_static(ChecksumType::FULL_OBJECT)
}

fn delete(
    bucket: &Bucket,
    key: String,
    version: Option<String>,
    condition: &Condition,
) -> Result<DeletedObject, Refusal> {
    let Some(version) = version else {
        let marker = bucket.delete(key, condition)?;
        return Ok(DeletedObject {
            delete_marker: Some(true),
            delete_marker_version_id: Some(marker.version),
            key: Some(marker.key),
            version_id: None,
        });
    };
    let gone = bucket.delete_version(&key, &version)?;
    let was_marker = gone.is_some_and(|head| head.object().is_none());
    Ok(DeletedObject {
        delete_marker: was_marker.then_some(true),
        delete_marker_version_id: was_marker.then(|| version.clone()),
        key: Some(key),
        version_id: Some(version),
    })
}

fn some_metadata(metadata: BTreeMap<String, String>) -> Option<Metadata> {
    (!metadata.is_empty()).then(|| metadata.into_iter().collect())
}

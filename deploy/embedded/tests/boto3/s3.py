"""The embedded S3 as boto3 sees it.

Runs with the environment that `atelier cloud` prints:

    S3_BUCKET_NAME, AWS_ENDPOINT_URL_S3, AWS_REGION and the credentials;
    CLOUDFRONT_DOMAIN if the CDN is to be asked too.
"""

import os
import threading
import unittest
import urllib.error
import urllib.request
import uuid

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = os.environ["S3_BUCKET_NAME"]
ENDPOINT = os.environ["AWS_ENDPOINT_URL_S3"]
REGION = os.environ.get("AWS_REGION", "us-east-1")
PATH_STYLE = {"addressing_style": "path"}


def client(**options):
    config = Config(s3=PATH_STYLE, retries={"total_max_attempts": 1}, **options.pop("config", {}))
    return boto3.client("s3", region_name=REGION, endpoint_url=ENDPOINT, config=config, **options)


class EmbeddedS3(unittest.TestCase):
    def setUp(self):
        self.s3 = client()
        self.prefix = f"boto3/{uuid.uuid4()}/"
        self.key = self.prefix + "picture of a müller.webp"
        self.addCleanup(self.erase)

    def erase(self):
        for page in self.s3.get_paginator("list_object_versions").paginate(
            Bucket=BUCKET, Prefix=self.prefix
        ):
            for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
                self.s3.delete_object(
                    Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"]
                )

    def put(self, body=b"picture", **options):
        options.setdefault("Key", self.key)
        return self.s3.put_object(Bucket=BUCKET, Body=body, **options)

    def get(self, **options):
        return self.s3.get_object(Bucket=BUCKET, Key=self.key, **options)

    def assert_refused(self, status, code, call, *args, **options):
        with self.assertRaises(ClientError) as caught:
            call(*args, **options)
        answer = caught.exception.response
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], status)
        self.assertEqual(answer["Error"]["Code"], code)

    def test_the_bucket_is_there(self):
        self.s3.head_bucket(Bucket=BUCKET)
        self.assertIn(BUCKET, [bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]])
        self.assertEqual(self.s3.get_bucket_versioning(Bucket=BUCKET)["Status"], "Enabled")
        rules = self.s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]
        by_default = rules["Rules"][0]["ApplyServerSideEncryptionByDefault"]
        self.assertEqual(by_default["SSEAlgorithm"], "AES256")

    def test_what_is_put_is_headed_got_and_listed(self):
        put = self.put(
            ContentType="image/webp",
            CacheControl="max-age=31536000",
            Metadata={"assignment-id": "a-1"},
            ServerSideEncryption="AES256",
        )
        self.assertEqual(put["ServerSideEncryption"], "AES256")
        head = self.s3.head_object(Bucket=BUCKET, Key=self.key)
        got = self.get()
        self.assertEqual(got["Body"].read(), b"picture")
        for answer in (head, got):
            self.assertEqual(answer["ContentType"], "image/webp")
            self.assertEqual(answer["CacheControl"], "max-age=31536000")
            self.assertEqual(answer["Metadata"], {"assignment-id": "a-1"})
            self.assertEqual(answer["ServerSideEncryption"], "AES256")
            self.assertEqual(answer["ETag"], put["ETag"])
            self.assertEqual(answer["VersionId"], put["VersionId"])
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=self.prefix)["Contents"]
        self.assertEqual([(one["Key"], one["Size"]) for one in listed], [(self.key, 7)])
        self.assertEqual(self.get(Range="bytes=1-3")["Body"].read(), b"ict")

    def test_a_listing_comes_in_pages(self):
        keys = [f"{self.prefix}{folder}/{n}" for folder in "ab" for n in range(5)]
        for key in keys:
            self.put(Key=key)
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=self.prefix, PaginationConfig={"PageSize": 3}
        )
        pages = [[one["Key"] for one in page["Contents"]] for page in pages]
        self.assertEqual([len(page) for page in pages], [3, 3, 3, 1])
        self.assertEqual(sum(pages, []), keys)
        folders = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=self.prefix, Delimiter="/")
        folders = [one["Prefix"] for one in folders["CommonPrefixes"]]
        self.assertEqual(folders, [self.prefix + "a/", self.prefix + "b/"])

    def test_tags_are_put_read_and_deleted(self):
        self.put(Tagging="retention=standard")
        named = {"Bucket": BUCKET, "Key": self.key}
        tags = [{"Key": "retention", "Value": "standard"}]
        self.assertEqual(self.s3.get_object_tagging(**named)["TagSet"], tags)
        tags = [{"Key": "retention", "Value": "permanent"}]
        self.s3.put_object_tagging(**named, Tagging={"TagSet": tags})
        self.assertEqual(self.s3.get_object_tagging(**named)["TagSet"], tags)
        self.s3.delete_object_tagging(**named)
        self.assertEqual(self.s3.get_object_tagging(**named)["TagSet"], [])

    def test_versions_are_kept_until_they_are_deleted(self):
        first = self.put(b"first")["VersionId"]
        self.put(b"second")
        marker = self.s3.delete_object(Bucket=BUCKET, Key=self.key)
        self.assertTrue(marker["DeleteMarker"])
        self.assert_refused(404, "NoSuchKey", self.get)
        self.assertEqual(self.get(VersionId=first)["Body"].read(), b"first")
        versions = self.s3.list_object_versions(Bucket=BUCKET, Prefix=self.prefix)
        self.assertEqual(len(versions["Versions"]), 2)
        self.assertEqual(versions["DeleteMarkers"][0]["VersionId"], marker["VersionId"])
        self.s3.delete_object(Bucket=BUCKET, Key=self.key, VersionId=marker["VersionId"])
        self.assertEqual(self.get()["Body"].read(), b"second")
        self.s3.delete_object(Bucket=BUCKET, Key=self.key, VersionId=first)
        self.assert_refused(404, "NoSuchVersion", self.get, VersionId=first)

    def test_writes_obey_their_conditions(self):
        etag = self.put(IfNoneMatch="*")["ETag"]
        failed = (412, "PreconditionFailed", self.put)
        self.assert_refused(*failed, b"other", IfNoneMatch="*")
        self.put(b"new", IfMatch=etag)
        self.assert_refused(*failed, b"late", IfMatch=etag)
        self.assertEqual(self.get()["Body"].read(), b"new")
        absent = self.prefix + "absent"
        self.assert_refused(404, "NoSuchKey", self.put, Key=absent, IfMatch=etag)

    def test_of_many_racing_puts_if_absent_one_wins(self):
        winners = []

        def race(racer):
            try:
                client().put_object(Bucket=BUCKET, Key=self.key, Body=racer, IfNoneMatch="*")
                winners.append(racer)
            except ClientError as error:
                self.assertEqual(error.response["Error"]["Code"], "PreconditionFailed")

        threads = [threading.Thread(target=race, args=(b"%d" % n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(winners), 1)
        self.assertEqual(self.get()["Body"].read(), winners[0])

    def test_every_checksum_is_checked(self):
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            self.put(algorithm.encode(), ChecksumAlgorithm=algorithm)
            got = self.get(ChecksumMode="ENABLED")
            self.assertEqual(got["Body"].read(), algorithm.encode())
            self.assertIn(f"Checksum{algorithm}", got)
        self.assert_refused(400, "BadDigest", self.put, b"broken", ChecksumCRC32="AAAAAA==")

    def test_a_file_goes_up_and_down_with_the_transfer_helpers(self):
        import io

        self.s3.upload_fileobj(io.BytesIO(b"x" * 100_000), BUCKET, self.key)
        down = io.BytesIO()
        self.s3.download_fileobj(BUCKET, self.key, down)
        self.assertEqual(down.getvalue(), b"x" * 100_000)

    def test_several_objects_are_deleted_at_once(self):
        self.put()
        done = self.s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": self.key}]})
        self.assertEqual(done["Deleted"][0]["Key"], self.key)
        self.assert_refused(404, "NoSuchKey", self.get)

    def test_nobody_reads_or_writes_without_the_keys(self):
        self.put()
        unsigned = client(config={"signature_version": UNSIGNED})
        stranger = client(aws_access_key_id="stranger", aws_secret_access_key="test")
        guess = client(aws_access_key_id="test", aws_secret_access_key="guess")
        for who, code in (
            (unsigned, "AccessDenied"),
            (stranger, "InvalidAccessKeyId"),
            (guess, "SignatureDoesNotMatch"),
        ):
            named = {"Bucket": BUCKET, "Key": self.key}
            self.assert_refused(403, code, who.get_object, **named)
            self.assert_refused(403, code, who.put_object, **named, Body=b"x")
            self.assert_refused(403, code, who.list_objects_v2, Bucket=BUCKET)

    def test_a_presigned_address_opens_one_object(self):
        self.put()
        named = {"Bucket": BUCKET, "Key": self.key}
        signer = client(config={"signature_version": "s3v4"})
        url = signer.generate_presigned_url("get_object", Params=named, ExpiresIn=60)
        with urllib.request.urlopen(url) as answer:
            self.assertEqual((answer.status, answer.read()), (200, b"picture"))
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url.split("?")[0])
        self.assertEqual(caught.exception.code, 403)

    def test_a_missing_bucket_is_said_to_be_missing(self):
        missing = {"Bucket": "no-such-bucket", "Key": "a"}
        self.assert_refused(404, "NoSuchBucket", self.s3.get_object, **missing)
        self.assert_refused(404, "NoSuchBucket", self.s3.put_object, **missing)
        self.assert_refused(404, "404", self.s3.head_object, **missing)

    @unittest.skipUnless("CLOUDFRONT_DOMAIN" in os.environ, "no CDN in the environment")
    def test_the_cdn_shows_the_object_and_forgets_it_when_told(self):
        domain = os.environ["CLOUDFRONT_DOMAIN"]
        domain = domain if "://" in domain else "https://" + domain
        key = self.prefix + "a.webp"
        self.put(Key=key, ContentType="image/webp")

        def get():
            with urllib.request.urlopen(f"{domain}/{key}") as answer:
                return answer.headers["x-cache"].split()[0], answer.read()

        self.assertEqual([get(), get()], [("Miss", b"picture"), ("Hit", b"picture")])
        self.put(b"new", Key=key)
        self.assertEqual(get(), ("Hit", b"picture"))
        cloudfront = boto3.client("cloudfront", region_name="us-east-1", endpoint_url=domain)
        made = cloudfront.create_invalidation(
            DistributionId=os.environ.get("CLOUDFRONT_DISTRIBUTION_ID", "EMBEDDED"),
            InvalidationBatch={
                "Paths": {"Quantity": 1, "Items": [f"/{self.prefix}*"]},
                "CallerReference": self.prefix,
            },
        )
        self.assertEqual(made["Invalidation"]["Status"], "Completed")
        self.assertEqual(get(), ("Miss", b"new"))


if __name__ == "__main__":
    unittest.main()

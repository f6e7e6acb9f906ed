"""The embedded SQS through boto3, with the environment that the embedded cloud prints.

Every check is an assertion; the last line says that all of them held.
"""

import json
import os
import time
import urllib.error
import urllib.request
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["AWS_ENDPOINT_URL_SQS"]


def client(**credentials):
    return boto3.client(
        "sqs",
        endpoint_url=ENDPOINT,
        region_name=os.environ["AWS_REGION"],
        config=Config(retries={"total_max_attempts": 1}),
        **credentials,
    )


sqs = client()


def queue(**attributes):
    name = f"test-{uuid.uuid4()}"
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def receive(url, **options):
    options.setdefault("MaxNumberOfMessages", 10)
    return sqs.receive_message(QueueUrl=url, **options).get("Messages", [])


def depth(url):
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    names = ["", "NotVisible", "Delayed"]
    return tuple(int(attributes[f"ApproximateNumberOfMessages{name}"]) for name in names)


def fails(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return error
    raise AssertionError(f"{code} was expected")


def environment_names_working_queues():
    jobs, dead = os.environ["SQS_QUEUE_URL"], os.environ["SQS_DEAD_LETTER_QUEUE_URL"]
    told = sqs.get_queue_attributes(QueueUrl=jobs, AttributeNames=["All"])["Attributes"]
    assert told["VisibilityTimeout"] == "60"
    assert told["MessageRetentionPeriod"] == "345600"
    policy = json.loads(told["RedrivePolicy"])
    assert policy["maxReceiveCount"] == 1000
    told = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
    assert policy["deadLetterTargetArn"] == told["QueueArn"]
    assert told["MessageRetentionPeriod"] == "1209600"
    name = jobs.rsplit("/", 1)[1]
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == jobs
    assert jobs in sqs.list_queues(QueueNamePrefix="atelier-")["QueueUrls"]


def a_message_comes_as_it_was_sent():
    url = queue()
    attributes = {
        "text": {"DataType": "String", "StringValue": "äöü"},
        "number": {"DataType": "Number", "StringValue": "42"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = sqs.send_message(
        QueueUrl=url,
        MessageBody="hello",
        MessageGroupId="teacher",
        MessageAttributes=attributes,
    )
    [message] = receive(
        url, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
    )
    assert message["MessageId"] == sent["MessageId"]
    assert message["Body"] == "hello"
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    system = message["Attributes"]
    assert system["MessageGroupId"] == "teacher"
    assert system["ApproximateReceiveCount"] == "1"
    assert abs(int(system["SentTimestamp"]) / 1000 - time.time()) < 60
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert depth(url) == (0, 0, 0)


def visibility_can_be_changed():
    url = queue(VisibilityTimeout="600")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [first] = receive(url)
    assert depth(url) == (0, 1, 0) and receive(url) == []
    sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0
    )
    assert depth(url) == (1, 0, 0)
    [second] = receive(url, VisibilityTimeout=1)
    # The first handle is stale now: it deletes nothing.
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert depth(url) == (0, 1, 0)
    [third] = receive(url, WaitTimeSeconds=5, VisibilityTimeout=0)
    assert third["MessageId"] == second["MessageId"]
    assert depth(url) == (1, 0, 0)
    fails(
        "AWS.SimpleQueueService.MessageNotInflight",
        sqs.change_message_visibility,
        QueueUrl=url,
        ReceiptHandle=third["ReceiptHandle"],
        VisibilityTimeout=5,
    )


def batches_fail_by_the_entry():
    url = queue()
    entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(9)]
    entries.append({"Id": "bad", "MessageBody": "x", "DelaySeconds": 901})
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert len(answer["Successful"]) == 9
    [failed] = answer["Failed"]
    assert failed["Id"] == "bad" and failed["SenderFault"]
    assert failed["Code"] == "InvalidParameterValue"
    messages = receive(url)
    assert [message["Body"] for message in messages] == [str(number) for number in range(9)]
    handles = [
        {"Id": message["Body"], "ReceiptHandle": message["ReceiptHandle"]} for message in messages
    ]
    hide = [{**handle, "VisibilityTimeout": 0} for handle in handles[:4]]
    answer = sqs.change_message_visibility_batch(QueueUrl=url, Entries=hide)
    assert len(answer["Successful"]) == 4
    assert depth(url) == (4, 5, 0)
    bad = {"Id": "bad", "ReceiptHandle": "garbage"}
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=handles + [bad])
    assert len(answer["Successful"]) == 9
    assert answer["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"
    assert depth(url) == (0, 0, 0)
    prefix = "AWS.SimpleQueueService."
    fails(prefix + "EmptyBatchRequest", sqs.send_message_batch, QueueUrl=url, Entries=[])
    fails(
        prefix + "TooManyEntriesInBatchRequest",
        sqs.send_message_batch,
        QueueUrl=url,
        Entries=[{"Id": str(number), "MessageBody": "x"} for number in range(11)],
    )
    fails(
        prefix + "BatchEntryIdsNotDistinct",
        sqs.send_message_batch,
        QueueUrl=url,
        Entries=[{"Id": "a", "MessageBody": "x"}] * 2,
    )


def attributes_are_set_and_limited():
    url = queue()
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "900"})
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert depth(url) == (0, 0, 1)
    sqs.purge_queue(QueueUrl=url)
    assert depth(url) == (0, 0, 0)
    fails(
        "InvalidAttributeValue",
        sqs.set_queue_attributes,
        QueueUrl=url,
        Attributes={"VisibilityTimeout": "43201"},
    )
    fails(
        "InvalidAttributeName",
        sqs.get_queue_attributes,
        QueueUrl=url,
        AttributeNames=["Nonsense"],
    )
    sqs.tag_queue(QueueUrl=url, Tags={"a": "b", "c": "d"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["c"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "b"}


def dead_letters_are_redriven():
    dead = queue()
    attributes = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    arn = attributes["QueueArn"]
    url = queue(
        RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1}),
        VisibilityTimeout="0",
    )
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    assert len(receive(url)) == 1 and receive(url) == []
    assert depth(dead) == (1, 0, 0)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]


def errors_are_typed():
    url = queue()
    sqs.delete_queue(QueueUrl=url)
    error = fails(
        "AWS.SimpleQueueService.NonExistentQueue",
        sqs.send_message,
        QueueUrl=url,
        MessageBody="x",
    )
    assert isinstance(error, sqs.exceptions.QueueDoesNotExist)
    url = queue()
    error = fails(
        "ReceiptHandleIsInvalid", sqs.delete_message, QueueUrl=url, ReceiptHandle="garbage"
    )
    assert isinstance(error, sqs.exceptions.ReceiptHandleIsInvalid)
    fails("InvalidMessageContents", sqs.send_message, QueueUrl=url, MessageBody="\x01")
    fails("InvalidParameterValue", receive, url=url, MaxNumberOfMessages=11)
    fails("InvalidParameterValue", receive, url=url, WaitTimeSeconds=21)
    fails("InvalidParameterValue", sqs.send_message, QueueUrl=url, MessageBody="x" * 1048577)
    sqs.send_message(QueueUrl=url, MessageBody="x" * 1048576)
    name = url.rsplit("/", 1)[1]
    fails(
        "QueueAlreadyExists", sqs.create_queue, QueueName=name, Attributes={"DelaySeconds": "1"}
    )


def only_signed_requests_are_served():
    request = urllib.request.Request(
        ENDPOINT,
        data=b"{}",
        headers={
            "X-Amz-Target": "AmazonSQS.ListQueues",
            "Content-Type": "application/x-amz-json-1.0",
        },
    )
    try:
        urllib.request.urlopen(request)
        raise AssertionError("an unsigned request was served")
    except urllib.error.HTTPError as error:
        assert error.code == 403
        assert json.loads(error.read())["__type"].endswith("MissingAuthenticationTokenException")
    other = client(aws_access_key_id="other", aws_secret_access_key="test")
    fails("InvalidClientTokenId", other.list_queues)
    other = client(aws_access_key_id="test", aws_secret_access_key="other")
    fails("SignatureDoesNotMatch", other.list_queues)


environment_names_working_queues()
a_message_comes_as_it_was_sent()
visibility_can_be_changed()
batches_fail_by_the_entry()
attributes_are_set_and_limited()
dead_letters_are_redriven()
errors_are_typed()
only_signed_requests_are_served()
print("sqs: every check held")

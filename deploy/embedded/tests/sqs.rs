//! The embedded SQS as the AWS SDK and plain HTTP see it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use atelier_embedded::counters::Counters;
use atelier_embedded::faults::{Faults, Kind, Order, Service};
use atelier_embedded::listener;
use atelier_embedded::sqs::{self, Sqs};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, DeleteMessageBatchRequestEntry, Message, MessageAttributeValue,
    MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

struct Server {
    sqs: Sqs,
    faults: Faults,
    counters: Counters,
    address: String,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Server {
    async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let counters = Counters::default();
        let sqs = Sqs::new(&format!("http://{address}"), counters.clone());
        let (faults, stop) = (Faults::default(), CancellationToken::new());
        let router = sqs::router(sqs.clone());
        tokio::spawn(listener::serve(
            socket,
            Service::Sqs,
            faults.clone(),
            router,
            stop.clone(),
        ));
        Self {
            sqs,
            faults,
            counters,
            address,
            stop,
        }
    }

    fn client(&self) -> Client {
        self.client_with("test", "test")
    }

    fn client_with(&self, id: &str, secret: &str) -> Client {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(format!("http://{}", self.address))
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(id, secret, None, None, "test"))
            .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
            .build();
        Client::from_conf(config)
    }

    fn queue(&self, name: &str, attributes: &[(&str, &str)]) -> String {
        self.sqs.create_queue(name, attributes).unwrap()
    }

    fn order(&self, kind: Kind) {
        let order = Order::new(Service::Sqs, kind);
        self.faults.add(order);
    }
}

async fn send(client: &Client, url: &str, body: &str) {
    let send = client.send_message().queue_url(url).message_body(body);
    send.send().await.unwrap();
}

async fn receive(client: &Client, url: &str, visibility: i32) -> Vec<Message> {
    let receive = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(10)
        .visibility_timeout(visibility)
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .message_attribute_names("All");
    receive.send().await.unwrap().messages.unwrap_or_default()
}

/// Visible, in flight, delayed.
async fn depth(client: &Client, url: &str) -> (String, String, String) {
    use QueueAttributeName as Name;
    let attributes = client
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(Name::All)
        .send()
        .await
        .unwrap()
        .attributes
        .unwrap();
    let of = |name: Name| attributes[&name].clone();
    (
        of(Name::ApproximateNumberOfMessages),
        of(Name::ApproximateNumberOfMessagesNotVisible),
        of(Name::ApproximateNumberOfMessagesDelayed),
    )
}

fn counts(visible: u32, in_flight: u32, delayed: u32) -> (String, String, String) {
    (
        visible.to_string(),
        in_flight.to_string(),
        delayed.to_string(),
    )
}

#[tokio::test]
async fn a_message_comes_as_it_was_sent_with_checksums_that_the_sdk_accepts() {
    let server = Server::start().await;
    let (client, url) = (server.client(), server.queue("q", &[]));
    let text = |data_type: &str, value: &str| {
        let value = MessageAttributeValue::builder()
            .data_type(data_type)
            .string_value(value);
        value.build().unwrap()
    };
    let binary = MessageAttributeValue::builder()
        .data_type("Binary")
        .binary_value(Blob::new([0, 159, 255]))
        .build()
        .unwrap();
    client
        .send_message()
        .queue_url(&url)
        .message_body("a körper")
        .message_group_id("teacher-1")
        .message_attributes("traceparent", text("String", "00-ab-cd-01"))
        .message_attributes("count", text("Number", "7"))
        .message_attributes("bytes", binary.clone())
        .send()
        .await
        .unwrap();
    let message = receive(&client, &url, 30).await.remove(0);
    assert_eq!(message.body(), Some("a körper"));
    let attributes = message.message_attributes().unwrap();
    assert_eq!(attributes.len(), 3);
    assert_eq!(attributes["bytes"], binary);
    let system = message.attributes().unwrap();
    assert_eq!(
        system[&MessageSystemAttributeName::MessageGroupId],
        "teacher-1"
    );
    assert_eq!(
        system[&MessageSystemAttributeName::ApproximateReceiveCount],
        "1"
    );
    assert!(system[&MessageSystemAttributeName::SentTimestamp].len() == 13);
    assert_eq!(server.counters.get(Service::Sqs, "sent"), 1);
    assert_eq!(server.counters.get(Service::Sqs, "received"), 1);
}

#[tokio::test]
async fn errors_are_typed() {
    let server = Server::start().await;
    let (client, url) = (server.client(), server.queue("q", &[]));
    let missing = format!("http://{}/000000000000/none", server.address);
    let error = client.send_message().queue_url(&missing).message_body("x");
    let error = error.send().await.unwrap_err().into_service_error();
    assert!(error.is_queue_does_not_exist(), "{error:?}");

    let error = client
        .delete_message()
        .queue_url(&url)
        .receipt_handle("garbage");
    let error = error.send().await.unwrap_err().into_service_error();
    assert!(error.is_receipt_handle_is_invalid(), "{error:?}");

    let error = client
        .send_message_batch()
        .queue_url(&url)
        .set_entries(Some(vec![]));
    let error = error.send().await.unwrap_err().into_service_error();
    assert!(error.is_empty_batch_request(), "{error:?}");

    let error = client
        .receive_message()
        .queue_url(&url)
        .max_number_of_messages(11);
    let error = error.send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    assert!(error.message().unwrap().contains("MaxNumberOfMessages"));

    let message = {
        send(&client, &url, "x").await;
        receive(&client, &url, 0).await.remove(0)
    };
    let error = client
        .change_message_visibility()
        .queue_url(&url)
        .receipt_handle(message.receipt_handle().unwrap())
        .visibility_timeout(5);
    let error = error.send().await.unwrap_err().into_service_error();
    assert!(error.is_message_not_inflight(), "{error:?}");

    let error = client.create_queue().queue_name("q");
    let error = error.attributes(QueueAttributeName::DelaySeconds, "5");
    let error = error.send().await.unwrap_err().into_service_error();
    assert!(error.is_queue_name_exists(), "{error:?}");
}

#[tokio::test]
async fn a_bad_entry_fails_alone_and_a_bad_batch_as_a_whole() {
    let server = Server::start().await;
    let (client, url) = (
        server.client(),
        server.queue("q", &[("MaximumMessageSize", "1024")]),
    );
    let entry = |id: &str, body: &str| {
        let entry = SendMessageBatchRequestEntry::builder()
            .id(id)
            .message_body(body);
        entry.build().unwrap()
    };
    let batch = client
        .send_message_batch()
        .queue_url(&url)
        .set_entries(Some(vec![
            entry("good", "x"),
            entry("long", &"x".repeat(1025)),
            entry("control", "\u{1}"),
        ]));
    let answer = batch.send().await.unwrap();
    assert_eq!(answer.successful()[0].id(), "good");
    let codes = answer.failed().iter().map(BatchResultErrorEntry::code);
    assert_eq!(
        codes.collect::<Vec<_>>(),
        ["InvalidParameterValue", "InvalidMessageContents"]
    );

    let batch = |entries| {
        client
            .send_message_batch()
            .queue_url(&url)
            .set_entries(Some(entries))
    };
    let eleven = (0..11).map(|id| entry(&id.to_string(), "x")).collect();
    let error = batch(eleven).send().await.unwrap_err().into_service_error();
    assert!(error.is_too_many_entries_in_batch_request());
    let twice = vec![entry("a", "x"), entry("a", "y")];
    let error = batch(twice).send().await.unwrap_err().into_service_error();
    assert!(error.is_batch_entry_ids_not_distinct());
    let error = batch(vec![entry("a b", "x")]).send().await.unwrap_err();
    assert!(error.into_service_error().is_invalid_batch_entry_id());
    let half = "x".repeat(600_000);
    let error = batch(vec![entry("a", &half), entry("b", &half)])
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_batch_request_too_long());

    let message = receive(&client, &url, 30).await.remove(0);
    let delete = |id: &str, handle: &str| {
        let entry = DeleteMessageBatchRequestEntry::builder()
            .id(id)
            .receipt_handle(handle);
        entry.build().unwrap()
    };
    let answer = client
        .delete_message_batch()
        .queue_url(&url)
        .entries(delete("bad", "garbage"))
        .entries(delete("good", message.receipt_handle().unwrap()))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.failed()[0].code(), "ReceiptHandleIsInvalid");
    assert_eq!(answer.successful()[0].id(), "good");
    assert_eq!(depth(&client, &url).await, counts(0, 0, 0));
}

#[tokio::test]
async fn the_depth_stays_right_over_hiding_delay_and_delete() {
    let server = Server::start().await;
    let (client, url) = (server.client(), server.queue("q", &[]));
    for body in ["a", "b"] {
        send(&client, &url, body).await;
    }
    let delayed = client.send_message().queue_url(&url).message_body("c");
    delayed.delay_seconds(900).send().await.unwrap();
    assert_eq!(depth(&client, &url).await, counts(2, 0, 1));
    let messages = receive(&client, &url, 30).await;
    assert_eq!(depth(&client, &url).await, counts(0, 2, 1));
    let handle = messages[0].receipt_handle().unwrap();
    let change = client.change_message_visibility().queue_url(&url);
    let change = change.receipt_handle(handle).visibility_timeout(0);
    change.send().await.unwrap();
    assert_eq!(depth(&client, &url).await, counts(1, 1, 1));
    let delete = client.delete_message().queue_url(&url);
    delete
        .receipt_handle(messages[1].receipt_handle().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(depth(&client, &url).await, counts(1, 0, 1));
    client.purge_queue().queue_url(&url).send().await.unwrap();
    assert_eq!(depth(&client, &url).await, counts(0, 0, 0));
}

#[tokio::test]
async fn dead_letters_go_to_their_queue() {
    let server = Server::start().await;
    let client = server.client();
    let dead = server.queue("dead", &[]);
    let policy = format!(
        r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":"2"}}"#,
        sqs::arn("dead")
    );
    let url = server.queue("q", &[("RedrivePolicy", &policy)]);
    send(&client, &url, "poison").await;
    for _ in 0..2 {
        assert_eq!(receive(&client, &url, 0).await.len(), 1);
    }
    assert!(receive(&client, &url, 0).await.is_empty());
    let message = receive(&client, &dead, 0).await.remove(0);
    let system = message.attributes().unwrap();
    assert_eq!(
        system[&MessageSystemAttributeName::DeadLetterQueueSourceArn],
        sqs::arn("q")
    );
    let sources = client.list_dead_letter_source_queues().queue_url(&dead);
    assert_eq!(
        sources.send().await.unwrap().queue_urls(),
        std::slice::from_ref(&url)
    );
}

#[tokio::test]
async fn a_long_poll_wakes_at_a_send_and_when_a_visibility_ends() {
    let server = Server::start().await;
    let (client, url) = (server.client(), server.queue("q", &[]));
    let poll = || {
        let poll = client
            .receive_message()
            .queue_url(&url)
            .visibility_timeout(1);
        tokio::spawn(poll.wait_time_seconds(20).send())
    };
    let polling = poll();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let sent = Instant::now();
    send(&client, &url, "x").await;
    assert_eq!(polling.await.unwrap().unwrap().messages().len(), 1);
    let woken = sent.elapsed();
    assert!(woken < Duration::from_secs(2), "{woken:?}, not 20 s");

    let again = poll().await.unwrap().unwrap();
    assert_eq!(again.messages()[0].body(), Some("x"));
    let waited = sent.elapsed();
    assert!((1000..5000).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test]
async fn a_poll_learns_of_a_visibility_that_began_after_it() {
    let server = Server::start().await;
    let (client, url) = (server.client(), server.queue("q", &[]));
    send(&client, &url, "x").await;
    receive(&client, &url, 600).await;
    let poll = client
        .receive_message()
        .queue_url(&url)
        .wait_time_seconds(20);
    let polling = tokio::spawn(poll.send());
    tokio::time::sleep(Duration::from_millis(50)).await;
    // Two messages come and go while the other poll's alarm is ten minutes away.
    send(&client, &url, "y").await;
    let first = polling.await.unwrap().unwrap();
    assert_eq!(first.messages()[0].body(), Some("y"));
    let poll = client
        .receive_message()
        .queue_url(&url)
        .wait_time_seconds(20);
    let polling = tokio::spawn(poll.send());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let change = client.change_message_visibility().queue_url(&url);
    let change = change.receipt_handle(first.messages()[0].receipt_handle().unwrap());
    change.visibility_timeout(1).send().await.unwrap();
    let again = polling.await.unwrap().unwrap();
    assert_eq!(again.messages()[0].body(), Some("y"));
}

#[tokio::test]
async fn a_poll_whose_client_went_away_swallows_nothing() {
    let server = Server::start().await;
    let (client, url) = (server.client(), server.queue("q", &[]));
    for _ in 0..20 {
        let poll = client
            .receive_message()
            .queue_url(&url)
            .wait_time_seconds(20);
        let polling = tokio::spawn(poll.send());
        tokio::time::sleep(Duration::from_millis(20)).await;
        polling.abort();
        let _ = polling.await;
    }
    // The connections end in the background; the server sees that before the next request's end.
    tokio::time::sleep(Duration::from_millis(50)).await;
    send(&client, &url, "x").await;
    let messages = receive(&client, &url, 30).await;
    assert_eq!(messages.len(), 1);
    let system = messages[0].attributes().unwrap();
    assert_eq!(
        system[&MessageSystemAttributeName::ApproximateReceiveCount],
        "1"
    );
}

#[tokio::test]
async fn who_does_not_sign_with_the_credentials_is_refused() {
    let server = Server::start().await;
    server.queue("q", &[]);
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let request = "POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: AmazonSQS.ListQueues\r\n\
                   content-length: 2\r\nconnection: close\r\n\r\n{}";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.contains("x-amzn-query-error: MissingAuthenticationToken;Sender"));

    for (id, secret, code) in [
        ("other", "test", "InvalidClientTokenId"),
        ("test", "other", "SignatureDoesNotMatch"),
    ] {
        let error = server.client_with(id, secret).list_queues().send().await;
        let error = error.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
        assert_eq!(error.into_service_error().code(), Some(code));
    }
    let listed = server.client().list_queues().send().await.unwrap();
    assert_eq!(listed.queue_urls().len(), 1);
}

#[tokio::test]
async fn ordered_faults_speak_the_protocol() {
    let server = Server::start().await;
    let (client, url) = (server.client(), server.queue("q", &[]));
    let attempt = || {
        client
            .send_message()
            .queue_url(&url)
            .message_body("x")
            .send()
    };
    for (kind, code) in [
        (Kind::Throttle, "RequestThrottled"),
        (Kind::Denied, "AccessDenied"),
        (Kind::Missing, "AWS.SimpleQueueService.NonExistentQueue"),
    ] {
        server.order(kind);
        let error = attempt().await.unwrap_err().into_service_error();
        assert_eq!(error.code(), Some(code));
        server.faults.clear();
    }
    server.order(Kind::Refuse);
    assert!(attempt().await.unwrap_err().as_service_error().is_none());
    server.faults.clear();
    assert_eq!(depth(&client, &url).await, counts(0, 0, 0));

    server.order(Kind::LostReply);
    assert!(attempt().await.is_err());
    server.faults.clear();
    assert_eq!(depth(&client, &url).await, counts(1, 0, 0));

    server.order(Kind::Duplicate);
    let ids: Vec<_> = [
        receive(&client, &url, 30).await,
        receive(&client, &url, 30).await,
    ]
    .into_iter()
    .flatten()
    .map(|message| message.message_id.unwrap())
    .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn queues_are_listed_set_and_deleted() {
    let server = Server::start().await;
    let client = server.client();
    let attributes = HashMap::from([(QueueAttributeName::VisibilityTimeout, "5".to_owned())]);
    let create = client
        .create_queue()
        .queue_name("one")
        .set_attributes(Some(attributes));
    let url = create.send().await.unwrap().queue_url.unwrap();
    server.queue("two", &[]);
    let page = client.list_queues().max_results(1).send().await.unwrap();
    assert_eq!(page.queue_urls(), std::slice::from_ref(&url));
    let page = client
        .list_queues()
        .max_results(1)
        .set_next_token(page.next_token);
    let page = page.send().await.unwrap();
    assert!(page.queue_urls()[0].ends_with("/two") && page.next_token.is_none());

    let bad = client.set_queue_attributes().queue_url(&url);
    let bad = bad.attributes(QueueAttributeName::VisibilityTimeout, "43201");
    let error = bad.send().await.unwrap_err().into_service_error();
    assert!(error.is_invalid_attribute_value());
    assert!(error.message().unwrap().contains("43200"));
    let set = client.set_queue_attributes().queue_url(&url);
    let set = set.attributes(QueueAttributeName::DelaySeconds, "900");
    set.send().await.unwrap();
    send(&client, &url, "x").await;
    assert_eq!(depth(&client, &url).await, counts(0, 0, 1));

    client.delete_queue().queue_url(&url).send().await.unwrap();
    let gone = client.get_queue_url().queue_name("one").send().await;
    assert!(
        gone.unwrap_err()
            .into_service_error()
            .is_queue_does_not_exist()
    );
}

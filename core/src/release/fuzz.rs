//! Attacks on what another manager answers, and on what a door's caller says.

use std::io::Write;
use std::os::unix::net::UnixStream;

use super::answer::{Answered, plain, read};
use super::message::Order;
use super::process::orders::{MAX_ORDER, Orders};
use crate::fuzz::{Dice, Target, chunks};
use crate::resolve::MAX_VALUE;
use crate::resolve::value::SecretBuf;

/// A value is the one that a reader of JSON finds, whole and of a value's length; anything else is none.
pub(crate) const MANAGER: Target =
    Target { name: "manager_answer", attack: manager, seeds: manager_seeds, words: MANAGER_WORDS };
/// However lines are cut, the same orders come out, and none is waited for.
pub(crate) const ORDERS: Target =
    Target { name: "door_orders", attack: orders, seeds: order_seeds, words: ORDER_WORDS };

const MANAGER_WORDS: &[&str] =
    &["\"protocolVersion\":1", "\"values\":{", "\"errors\":{", "\"a/b\":", "\"message\":", "\\ud83d\\ude00", "\\u0000"];
const ORDER_WORDS: &[&str] = &["{\"signal\":2}\n", "{\"size\":{\"rows\":1,\"columns\":2}}\n", "\n"];
const ID: &str = "a/b";

fn buffer(data: &[u8]) -> SecretBuf {
    let mut output = SecretBuf::with_capacity(data.len());
    output.extend(data);
    output
}

fn manager(data: &[u8]) {
    let wanted = wanted(data);
    match read(&buffer(data), ID) {
        Answered::Value(value) => {
            assert_eq!(Some(value.as_slice()), wanted.as_deref().map(str::as_bytes));
            assert!((1..=MAX_VALUE).contains(&value.len()));
        }
        Answered::Refused(Some(said)) => {
            assert!(!said.is_empty() && !said.chars().any(char::is_control), "a message commands no terminal");
            assert_eq!(wanted, None, "beside a value nothing is repeated");
        }
        _ => {}
    }
    if let Answered::Value(value) = plain(buffer(data)) {
        assert!(data.starts_with(value.as_slice()) && data.len() - value.len() <= 2 && value.len() <= MAX_VALUE);
    }
}

/// The value that a reader of JSON finds. What is ill-formed in another one, as half a surrogate pair, is not its business
/// (RFC 8259, section 8.2).
fn wanted(data: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Answer {
        values: std::collections::BTreeMap<String, Box<serde_json::value::RawValue>>,
    }
    let answer: Answer = serde_json::from_slice(data).ok()?;
    serde_json::from_str(answer.values.get(ID)?.get()).ok()
}

fn orders(data: &[u8]) {
    let data = &data[..data.len().min(4096)];
    let wanted = plainly(data);
    assert_eq!(taken(&[data]), wanted);
    assert_eq!(taken(&chunks(&mut Dice(data.len() as u64), data)), wanted, "how lines are cut makes a difference");
}

/// The whole lines as orders; none where one is none, or is longer than any order.
fn plainly(data: &[u8]) -> Option<Vec<Order>> {
    let mut lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let rest = lines.pop().unwrap_or_default();
    let short = lines.iter().chain([&rest]).all(|line| line.len() < MAX_ORDER);
    let orders: Option<Vec<Order>> = lines.iter().map(|line| serde_json::from_slice(line).ok()).collect();
    orders.filter(|_| short)
}

fn taken(chunks: &[&[u8]]) -> Option<Vec<Order>> {
    let (mut caller, broker) = UnixStream::pair().expect("a pair");
    let (mut orders, mut all) = (Orders::default(), Vec::new());
    for chunk in chunks {
        caller.write_all(chunk).expect("room for it");
        all.extend(orders.take(&broker)?);
    }
    Some(all)
}

fn manager_seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"protocolVersion":1,"values":{"x":"other","a/b":"one \"two\" \\ \ud83d\ude00\u0001é"},"more":[]}"#,
        r#"{"protocolVersion":1,"values":{},"errors":{"a/b":{"message":"the vault is locked"}}}"#,
        r#"{"protocolVersion":1,"values":{"a/b":"v"},"errors":{"a/b":{"message":"both"}}}"#,
        r#"{"protocolVersion":1,"values":{"x":"\udde0","a/b":"v"}}"#,
        "printed alone\r\n",
        "\n",
    ];
    let broken = b"{\"protocolVersion\":1,\"values\":{\"a/b\":\"v\"},\"more\":\"\xff\"}".to_vec();
    texts.iter().map(|text| text.as_bytes().to_vec()).chain([broken]).collect()
}

fn order_seeds() -> Vec<Vec<u8>> {
    let line = "{\"signal\":15}\n{\"size\":{\"rows\":24,\"columns\":80}}\n";
    let long = |length: usize| [b"{\"signal\":2}\n", &vec![b' '; length][..], b"{\"signal\":2}\n"].concat();
    vec![line.into(), line[..20].into(), long(200), long(243), long(244), long(300), "nonsense\n".into()]
}

//! The traces that a request belongs to: X-Ray's, which Lambda sends, and the client's.

/// Lambda's invocation for a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The invocation's identifier, which is `integration_request_id` in the gateway's log.
    pub request_id: String,
    /// The X-Ray trace.
    pub xray_trace_id: Option<String>,
}

impl Invocation {
    /// `tracing` is the header that Lambda sends: `Root=1-...;Parent=...;Sampled=1`.
    pub fn new(request_id: String, tracing: Option<&str>) -> Self {
        let root = tracing.and_then(|header| {
            header
                .split(';')
                .find_map(|part| part.trim().strip_prefix("Root="))
        });
        Self {
            request_id,
            xray_trace_id: root.map(str::to_owned),
        }
    }
}

/// A valid `traceparent` that names a trace
/// (https://www.w3.org/TR/trace-context/#traceparent-header). From later versions, the part that
/// the first version defines.
pub fn traceparent(header: &str) -> Option<&str> {
    let (first, rest) = header.split_at_checked(55)?;
    let parts: Vec<&str> = first.split('-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else {
        return None;
    };
    let is_hex = |text: &str, length| {
        text.len() == length
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_name = |text: &str, length| is_hex(text, length) && text.bytes().any(|b| b != b'0');
    let known = is_hex(version, 2) && is_name(trace, 32) && is_name(parent, 16) && is_hex(flags, 2);
    let ends = if *version == "00" {
        rest.is_empty()
    } else {
        rest.is_empty() || rest.starts_with('-')
    };
    (known && *version != "ff" && ends).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_a_valid_traceparent_is_logged() {
        assert_eq!(traceparent(PARENT), Some(PARENT));

        let later = PARENT.replacen("00", "01", 1);
        assert_eq!(
            traceparent(&format!("{later}-more")),
            Some(later.as_str()),
            "of a later version, what is known of it"
        );

        for bad in [
            "",
            "password=s3cret",
            &PARENT.to_uppercase(),
            &format!("{PARENT}-more"),
            &format!("{later}more"),
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &PARENT.replace('-', "_"),
            &"é".repeat(40),
        ] {
            assert_eq!(traceparent(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_the_trace_id_of_lambdas_tracing_header_is_logged() {
        let root = |header| Invocation::new("1".to_owned(), header).xray_trace_id;

        assert_eq!(
            root(Some(
                "Root=1-6968b398-6d912bb8af77191319e83f82;Parent=53995c3f42cd8ad8;Sampled=1"
            ))
            .as_deref(),
            Some("1-6968b398-6d912bb8af77191319e83f82")
        );
        assert_eq!(root(Some("Sampled=0")), None);
        assert_eq!(root(None), None);
    }
}

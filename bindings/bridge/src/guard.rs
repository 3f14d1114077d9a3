//! A panic ends as an error of the host, never as its end, and its text is not shown: it may quote what was in hand.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, PanicHookInfo, catch_unwind};
use std::pin::pin;
use std::sync::Once;

use agentsecrets::{Error, ErrorCode, Result};

thread_local! {
    static PLACE: Cell<Option<(String, u32)>> = const { Cell::new(None) };
}

/// Replaces this library's panic hook, which would print the panic's text. A library's hook is its own: those of the
/// host and of its other extensions stay.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(remember)));
}

fn remember(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|at: &Location<'_>| (at.file().to_owned(), at.line()));
    PLACE.with(|cell| cell.set(place));
}

/// Runs a piece of work; a panic in it is `internal`.
///
/// # Errors
/// Those of the work, and `internal`.
pub fn guard<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_text| Err(panicked()))
}

/// Awaits a future; a panic in it is `internal`.
///
/// # Errors
/// Those of the future, and `internal`.
pub async fn guarded<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
            .unwrap_or_else(|_text| std::task::Poll::Ready(Err(panicked())))
    })
    .await
}

fn panicked() -> Error {
    let message = match PLACE.with(Cell::take) {
        Some((file, line)) => format!("a defect was met at {file}:{line}"),
        None => "a defect was met".to_owned(),
    };
    Error::new(ErrorCode::Internal, message).with_hint("please report it, with what was called")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_without_its_text() {
        install();
        let text = format!("canary-{}", std::process::id());
        let error = guard::<()>(|| panic!("{text}")).expect_err("panicked");
        assert_eq!(error.code(), ErrorCode::Internal);
        assert!(error.message().contains("guard.rs"));
        assert!(!format!("{error:?}").contains(&text));
        let mut awaited = std::pin::pin!(guarded::<()>(async { panic!("{text}") }));
        let Ok(crate::Step::Done(Err(error))) = crate::drive(awaited.as_mut(), std::time::Duration::from_secs(9))
        else {
            panic!("not an error");
        };
        assert!(!format!("{error:?}").contains(&text));
    }
}

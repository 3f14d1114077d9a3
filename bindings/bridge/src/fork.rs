//! What belongs to one process, and is abandoned in its forked children.

use std::mem::ManuallyDrop;

/// A thing with sockets of this process. A forked child neither uses nor drops it: to drop a socket there would take it
/// off the epoll instance that both share, and the parent would wait for ever.
pub struct ProcessBound<T> {
    pid: u32,
    value: ManuallyDrop<T>,
}

impl<T> ProcessBound<T> {
    /// Binds a thing to this process.
    pub fn new(value: T) -> Self {
        Self { pid: std::process::id(), value: ManuallyDrop::new(value) }
    }

    /// The thing, `None` in a child.
    pub fn get(&self) -> Option<&T> {
        self.is_ours().then_some(&*self.value)
    }

    /// The thing, `None` in a child.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.is_ours().then_some(&mut *self.value)
    }

    fn is_ours(&self) -> bool {
        self.pid == std::process::id()
    }
}

impl<T> Drop for ProcessBound<T> {
    fn drop(&mut self) {
        if self.is_ours() {
            // SAFETY: this is the only place that drops the value, and nothing uses it after.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_child_neither_uses_nor_drops_it() {
        let counted = Arc::new(());
        let bound = ProcessBound::new(Arc::clone(&counted));
        assert!(bound.get().is_some());
        // SAFETY: the child calls nothing but the methods under test and `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let abandoned = bound.get().is_none();
            drop(bound);
            let code = i32::from(!(abandoned && Arc::strong_count(&counted) == 2));
            // SAFETY: ends the child without running what belongs to the parent.
            unsafe { libc::_exit(code) };
        }
        let mut status = -1;
        // SAFETY: `status` outlives the call.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        drop(bound);
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}

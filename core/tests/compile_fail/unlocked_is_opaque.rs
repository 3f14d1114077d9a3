// refused: E0616 + private
pub fn f(unlocked: agentsecrets::owner::Unlocked) {
    let _ = unlocked.0;
}

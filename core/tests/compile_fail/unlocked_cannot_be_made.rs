// refused: E0603 + private
pub fn f() -> agentsecrets::owner::Unlocked {
    agentsecrets::owner::Unlocked([0; 32])
}

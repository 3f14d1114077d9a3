// refused: E0423
pub fn f() -> agentsecrets::owner::Unlocked {
    agentsecrets::owner::Unlocked([0; 32])
}

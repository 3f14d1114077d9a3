// refused: E0277 + Debug
pub fn f(unlocked: &agentsecrets::owner::Unlocked) -> String {
    format!("{unlocked:?}")
}

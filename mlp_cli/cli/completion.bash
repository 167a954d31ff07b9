_mlp() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <(_MLP_COMPLETE=bash _MLP_LINE="${COMP_LINE:0:COMP_POINT}" _MLP_BREAKS="$COMP_WORDBREAKS" "$1" 2>/dev/null)
    [[ "${COMPREPLY[0]}" == *[=/:,] ]] && compopt -o nospace 2>/dev/null
}
complete -F _mlp mlp

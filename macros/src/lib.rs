//! Derives of `common`.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, parse_macro_input};

/// Derives `common::fields::Body`, which reads a body from members with the names of its fields.
/// The type of a field decides how its member is read: see `common::fields::Member`.
/// `#[body(not_null)]` is for an `Option` in a merge patch whose member may be absent but not null.
#[proc_macro_derive(Body, attributes(body))]
pub fn derive_body(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    body(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn body(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(input, "a body is a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(input, "a body has named fields"));
    };

    let (mut names, mut reads) = (Vec::new(), Vec::new());
    for field in &fields.named {
        let mut not_null = false;
        for attribute in field.attrs.iter().filter(|it| it.path().is_ident("body")) {
            attribute.parse_nested_meta(|meta| {
                not_null = meta.path.is_ident("not_null");
                not_null
                    .then_some(())
                    .ok_or_else(|| meta.error("not an attribute of a body's field"))
            })?;
        }
        let name = field.ident.as_ref();
        let member = name.map(ToString::to_string);
        names.push(name);
        reads.push(if not_null {
            quote!(fields.replacement(#member))
        } else {
            quote!(::common::fields::Member::take(fields, #member))
        });
    }

    let body = &input.ident;
    Ok(quote! {
        impl ::common::fields::Body for #body {
            fn read(fields: &mut ::common::fields::Fields) -> Option<Self> {
                // All fields are read before the first invalid one returns, so that every fault is
                // reported.
                #(let #names = #reads;)*
                Some(Self { #(#names: #names?),* })
            }
        }
    })
}

//! Derives of `common`.

use proc_macro::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, Error, Field, Fields, Path, Token, parse_macro_input};

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

/// Derives `common::http::Parameters`, which reads a query from parameters with the names of the
/// fields. The type of a field decides how its parameter is read: see `common::http::Parameter`.
/// `#[query(order = ORDER)]` is for an `Option<Cursor>`, and names the order that it must belong to:
/// a constant, or the field with the requested order, whose type has a default and a `name()`.
#[proc_macro_derive(Parameters, attributes(query))]
pub fn derive_parameters(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    parameters(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn body(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let (mut names, mut reads) = (Vec::new(), Vec::new());
    for field in named_fields(input)? {
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

fn parameters(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let fields = named_fields(input)?;
    let (mut lets, mut requested_order) = (Vec::new(), None);
    for field in fields {
        let name = field.ident.as_ref();
        let parameter = name.map(ToString::to_string);
        let read = match cursor_order(field)? {
            None => quote!(::common::http::Parameter::take(fields, #parameter)),
            Some(order) => {
                requested_order = fields
                    .iter()
                    .filter_map(|field| field.ident.as_ref())
                    .find(|name| order.is_ident(*name));
                let order = match requested_order {
                    Some(field) => quote!(#field.flatten().unwrap_or_default().name()),
                    None => quote!(#order),
                };
                quote!(fields.cursor(#parameter, #order))
            }
        };
        let of = &field.ty;
        lets.push((name, quote!(let #name: Option<#of> = #read;)));
    }
    // The cursor is checked against the requested order, which is therefore read first.
    lets.sort_by_key(|(name, _)| *name != requested_order);
    let (names, lets): (Vec<_>, Vec<_>) = lets.into_iter().unzip();

    let parameters = &input.ident;
    Ok(quote! {
        impl ::common::http::Parameters for #parameters {
            fn read(fields: &mut ::common::http::QueryFields) -> Option<Self> {
                // As in a body, every fault is reported.
                #(#lets)*
                Some(Self { #(#names: #names?),* })
            }
        }
    })
}

/// The order in a field's `#[query(order = ...)]`.
fn cursor_order(field: &Field) -> syn::Result<Option<Path>> {
    let mut order = None;
    for attribute in field.attrs.iter().filter(|it| it.path().is_ident("query")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("order") {
                return Err(meta.error("not an attribute of a query's field"));
            }
            order = Some(meta.value()?.parse()?);
            Ok(())
        })?;
    }
    Ok(order)
}

fn named_fields(input: &DeriveInput) -> syn::Result<&Punctuated<Field, Token![,]>> {
    if let Data::Struct(data) = &input.data
        && let Fields::Named(fields) = &data.fields
    {
        Ok(&fields.named)
    } else {
        Err(Error::new_spanned(
            input,
            "must be a struct with named fields",
        ))
    }
}

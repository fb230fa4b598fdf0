// The text of one element in the replies of AWS' query services (STS), which are small XML documents.
//
// No library: all that is read is a handful of texts at known paths. Strict, because the bytes come from a network: tags
// must nest, and there are no document types, CDATA sections, comments or entities in what is read.
#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>

namespace sallyport::secrets::aws {

inline constexpr std::size_t xml_depth_max = 16;

/// The text between the tags at `path`, from the root down, borrowed: the first of that path. Attributes and namespaces
/// are passed over. None: there is no such element, it holds elements or a `&`, or the document is no such XML.
std::optional<std::string_view> xml_text(std::string_view document,
                                         std::initializer_list<std::string_view> path);

}  // namespace sallyport::secrets::aws
